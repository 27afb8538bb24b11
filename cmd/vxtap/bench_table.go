package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// text is the report for people: a table for each measure, and the ratios at the end.
func (r *benchReport) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", r.Command, r.Machine)
	for _, part := range r.Labs {
		fmt.Fprintf(&b, "\n%s: median of %s, lowest and highest, and the ratio to the kernel\n", part.title(), rounds(r.Runs))
		for _, note := range part.Notes {
			fmt.Fprintf(&b, "  %s\n", note)
		}
		for _, m := range r.Measures {
			part.measureTable(m).writeTo(&b)
		}
	}
	if note := r.Footnote(); note != "" {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	for _, p := range r.Profiles {
		b.WriteString("\n" + p.text())
	}
	for _, part := range r.Labs {
		fmt.Fprintf(&b, "\n%s: ratio to the kernel in the same round, median of %s\n", part.title(), rounds(r.Runs))
		part.ratioTable(r.Measures).writeTo(&b)
		part.versus(r.Measures, r.Runs, &b)
		part.captureCost(r.Measures, r.Runs, &b)
	}
	return b.String()
}

// Footnote explains the star at a rate; "" if there is none.
func (r *benchReport) Footnote() string {
	for _, part := range r.Labs {
		if slices.ContainsFunc(part.Results, (*benchResult).limited) {
			return "* all that one sending thread could send in at least one round; in-kernel paths do their work in its calls."
		}
	}
	return ""
}

// String is one line about the machine.
func (m benchMachine) String() string {
	return fmt.Sprintf("%s, %s, Linux %s, %s", m.CPU, counting(m.Cores, "core"), m.Kernel, m.Go)
}

func rounds(n int) string { return counting(n, "round") }

func counting(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// title names the underlay.
func (p *benchLabPart) title() string {
	family := "IPv4"
	if p.IPv6 {
		family = "IPv6"
	}
	return fmt.Sprintf("%s underlay, MTU %d, %s", p.Underlay, p.MTU, family)
}

// measureTable has a row for each subject that was measured.
func (p *benchLabPart) measureTable(m *benchMeasure) *table {
	t := &table{indent: "  ", numbers: 1}
	main := m.Figures[0]
	head := []string{m.Title, main.Title, "min", "max", "× kernel"}
	for _, f := range m.Figures[1:] {
		head = append(head, f.Title)
	}
	for _, subject := range p.Subjects {
		r := p.find(m.Key, subject)
		if r == nil {
			continue
		}
		if len(t.rows) == 0 {
			t.add() // an empty line
			t.add(head...)
		}
		t.add(r.row(m)...)
	}
	return t
}

// row is the figures of one subject. One that failed in some rounds says so; one that
// failed in all has no figures.
func (r *benchResult) row(m *benchMeasure) []string {
	row := []string{"  " + r.Subject}
	failed, _ := r.failures()
	if failed == len(r.Samples) {
		return append(row, "failed")
	}
	s := r.Summary[m.Figures[0].Key]
	digits := m.Figures[0].Digits
	row = append(row, r.value(m.Figures[0]), number(s.Min, digits), number(s.Max, digits), ratio(s.Ratio))
	for _, f := range m.Figures[1:] {
		row = append(row, r.value(f))
	}
	if failed > 0 {
		row = append(row, fmt.Sprintf("(failed in %d of %d)", failed, len(r.Samples)))
	}
	return row
}

// value is the median of a figure, with a star where the footnote says why.
func (r *benchResult) value(f benchFigure) string {
	s, ok := r.Summary[f.Key]
	if !ok {
		return "-"
	}
	if r.limited() && f.Key == udpFigures[0].Key {
		return "*" + number(s.Median, f.Digits)
	}
	return number(s.Median, f.Digits)
}

// ratioTable has a row for each measure and a column for each subject but the kernel.
func (p *benchLabPart) ratioTable(measures []*benchMeasure) *table {
	t := &table{indent: "  ", numbers: 1}
	head := []string{""}
	for _, s := range p.Subjects {
		if s != benchKernel {
			head = append(head, s)
		}
	}
	t.add(head...)
	for _, m := range measures {
		if m.passive() {
			continue // the kernel has no process
		}
		row := []string{fmt.Sprintf("%s, %s", m.Title, m.Figures[0].Title)}
		for _, s := range head[1:] {
			row = append(row, p.ratio(m, s))
		}
		t.add(row...)
	}
	return t
}

func (p *benchLabPart) ratio(m *benchMeasure, subject string) string {
	r := p.find(m.Key, subject)
	if r == nil {
		return "-"
	}
	if n, _ := r.failures(); n == len(r.Samples) {
		return "failed"
	}
	return ratio(r.Summary[m.Figures[0].Key].Ratio)
}

func number(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }

// ratio as text; a ratio of 0 is none.
func ratio(v float64) string {
	if v == 0 {
		return "-"
	}
	return number(v, 2) + "×"
}

// text is the table alone.
func (t *table) text() string {
	var b strings.Builder
	t.writeTo(&b)
	return b.String()
}
