package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// transferBar shows on a terminal how far a transfer is. Elsewhere it shows nothing. That
// the terminal cannot be written to is no reason to stop; that it is gone is a signal.
type transferBar struct {
	bar    *progressbar.ProgressBar // in milliseconds; nil: not on a terminal
	title  string                   // beside it, before the rate
	start  time.Time
	redraw time.Time // not before
}

// barInterval is how often the bar moves.
const barInterval = 100 * time.Millisecond

func newTransferBar(w io.Writer, terminal bool, title string, length time.Duration) *transferBar {
	b := &transferBar{title: "  " + title, start: time.Now()}
	if terminal {
		b.bar = progressbar.NewOptions64(length.Milliseconds(),
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(30),
			progressbar.OptionSetDescription(b.title),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish())
	}
	return b
}

// progress is told the bytes so far, thousands of times a second.
func (b *transferBar) progress(bytes int64) {
	now := time.Now()
	if b.bar == nil || now.Before(b.redraw) {
		return
	}
	b.redraw = now.Add(barInterval)
	elapsed := now.Sub(b.start)
	rate := netlab.Result{Bytes: bytes, Elapsed: elapsed}.Rate()
	b.bar.Describe(fmt.Sprintf("%s: %s", b.title, bitRate(rate)))
	// Full only at the end.
	_ = b.bar.Set64(min(elapsed.Milliseconds(), b.bar.GetMax64()-1))
}

// end takes the bar away, for a line with the result.
func (b *transferBar) end() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
