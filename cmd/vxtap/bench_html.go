package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// benchTemplate is the page. It loads nothing: style and charts are in it.
//
//go:embed bench_report.html.tmpl
var benchTemplate string

// page is the report as one self-contained HTML page.
//
// The charts are SVG whose coordinates along the page are percentages, so that bars grow
// with the screen and their text does not.
func (r *benchReport) page() ([]byte, error) {
	t, err := template.New("report").Parse(benchTemplate)
	if err != nil {
		return nil, fmt.Errorf("make the report: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.view()); err != nil {
		return nil, fmt.Errorf("make the report: %w", err)
	}
	return b.Bytes(), nil
}

// reportView is the report as the template shows it.
type reportView struct {
	*benchReport
	When   string
	Rounds string
	// ColorIndexes are 0 to subjectColors-1.
	ColorIndexes []struct{}
	Took         string
	Legend       []legendView
	Parts        []partView
}

// legendView is a subject and its color, which is the same on all charts.
type legendView struct{ Name, Class, Title string }

type partView struct {
	Title  string
	Notes  []string
	Ratios [][]string // the table at the end, its head first
	Charts []chartView
}

// chartView is one measure: bars, the figures below them, and for round trips the
// distribution.
type chartView struct {
	Title, Unit string
	Less        bool
	Bars        []barView
	Ticks       []tickView
	Latency     *latencyView
	Table       [][]string
}

// barView is one subject. Positions are percentages of the width.
type barView struct {
	Name, Class, Value, Ratio string
	Width, Low, High, Spread  float64
	Failed                    string
}

type tickView struct {
	At    float64 // percent
	Label string
}

func (r *benchReport) view() reportView {
	v := reportView{
		benchReport:  r,
		When:         r.Started.Format("2 January 2006, 15:04 MST"),
		Took:         fmt.Sprintf("%.0f s", r.Seconds),
		Rounds:       rounds(r.Runs),
		ColorIndexes: make([]struct{}, subjectColors),
	}
	classes := make(map[string]string)
	for _, p := range r.Labs {
		for _, s := range p.Subjects {
			if classes[s] == "" {
				classes[s] = subjectClass(s, len(classes))
				v.Legend = append(v.Legend, legendView{s, classes[s], subjectTitle(s)})
			}
		}
	}
	for _, p := range r.Labs {
		v.Parts = append(v.Parts, p.view(r.Measures, classes))
	}
	return v
}

// subjectColors is how many colors the page has; more subjects share them.
const subjectColors = 8

// subjectClass is the class of a subject's color: its own for those that bench knows,
// whichever of them are measured.
func subjectClass(name string, n int) string {
	for i, k := range benchKinds {
		if k.key == name {
			return fmt.Sprintf("s%d", i)
		}
	}
	return fmt.Sprintf("s%d", (len(benchKinds)+n)%subjectColors)
}

func subjectTitle(name string) string {
	if k := findBenchKind(name); k != nil {
		return k.title
	}
	return "a tunnel of the user's"
}

func (p *benchLabPart) view(measures []*benchMeasure, classes map[string]string) partView {
	v := partView{Title: p.title(), Notes: p.Notes, Ratios: p.ratioTable(measures).rows}
	for _, m := range measures {
		if c := p.chart(m, classes); len(c.Bars) > 0 {
			v.Charts = append(v.Charts, c)
		}
	}
	return v
}

// chart makes the bars of a measure, on a scale from zero to the highest maximum.
func (p *benchLabPart) chart(m *benchMeasure, classes map[string]string) chartView {
	f := m.Figures[0]
	c := chartView{Title: m.Title, Unit: f.Title, Less: f.Less}
	var results []*benchResult
	top := 0.0
	for _, s := range p.Subjects {
		if r := p.find(m.Key, s); r != nil {
			results = append(results, r)
			top = max(top, r.Summary[f.Key].Max)
		}
	}
	step := niceStep(top)
	scale := step * math.Ceil(top/step)
	for _, r := range results {
		c.Bars = append(c.Bars, r.bar(f, classes[r.Subject], scale))
	}
	for v := 0.0; v <= scale*1.001; v += step {
		c.Ticks = append(c.Ticks, tickView{100 * v / scale, shortNumber(v)})
	}
	if m.rtt != nil {
		c.Latency = newLatencyView(results, classes)
	}
	c.Table = squared(p.measureTable(m).rows)
	return c
}

// squared drops empty rows.
func squared(rows [][]string) [][]string {
	return slices.DeleteFunc(slices.Clone(rows), func(row []string) bool { return len(row) == 0 })
}

func (r *benchResult) bar(f benchFigure, class string, scale float64) barView {
	b := barView{Name: r.Subject, Class: class}
	failed, why := r.failures()
	if failed > 0 {
		b.Failed = fmt.Sprintf("failed in %d of %d: %s", failed, len(r.Samples), why)
	}
	s, ok := r.Summary[f.Key]
	if !ok {
		return b
	}
	b.Value, b.Ratio = r.value(f), strings.TrimPrefix(ratio(s.Ratio), "-")
	b.Width, b.Low, b.High = percent(s.Median, scale), percent(s.Min, scale), percent(s.Max, scale)
	b.Spread = b.High - b.Low
	return b
}

// percent of scale, with as many digits as a screen has use for.
func percent(v, scale float64) float64 { return math.Round(1e4*finite(v/scale)) / 100 }

// niceStep divides the way to top into three to six steps of 1, 2 or 5 times a power of
// ten.
func niceStep(top float64) float64 {
	if top <= 0 {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(top/3)))
	for _, n := range [...]float64{1, 2, 5, 10} {
		if top/(n*base) <= 6 {
			return n * base
		}
	}
	return 10 * base
}

func shortNumber(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
