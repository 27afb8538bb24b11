package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// benchProgress tells how far a bench is: a bar on a terminal, elsewhere a line for each
// measurement.
type benchProgress struct {
	w      io.Writer
	bar    *progressbar.ProgressBar // nil: lines
	spent  time.Duration            // of the estimate
	budget time.Duration
}

func newBenchProgress(w io.Writer, o *benchOptions) *benchProgress {
	p := &benchProgress{w: w, budget: o.estimate()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(p.budget.Milliseconds(),
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(20),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish())
	}
	p.say("bench takes about %v", roundTime(p.budget))
	return p
}

func roundTime(d time.Duration) time.Duration {
	if d > 2*time.Minute {
		return d.Round(time.Minute)
	}
	return d.Round(time.Second)
}

// say writes a line, above the bar if there is one.
func (p *benchProgress) say(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.w, format+"\n", args...)
}

// more has the work grow by what turned out to be there.
func (p *benchProgress) more(d time.Duration) {
	p.budget += d
	if p.bar != nil {
		p.bar.ChangeMax64(p.budget.Milliseconds())
	}
}

// begin names what is measured now, in words short enough for the line of a bar.
func (p *benchProgress) begin(title string) {
	if p.bar != nil {
		left := roundTime(max(p.budget-p.spent, time.Second))
		p.bar.Describe(fmt.Sprintf("%v left, %s", left, title))
	}
}

// done tells how it ended, and how much of the estimate it was.
func (p *benchProgress) done(title, result string, cost time.Duration) {
	p.spent += cost
	if p.bar == nil {
		p.say("%s: %s", title, result)
		return
	}
	// Full only at the end.
	_ = p.bar.Set64(min(p.spent.Milliseconds(), p.bar.GetMax64()-1))
}

// end takes the bar away.
func (p *benchProgress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
