package main

import (
	"fmt"
	"slices"
	"strings"
)

// versus adds, where foreign tunnels were measured, what vxtap is as a multiple of each: a
// table for each measure. The ratios are those within the same round, as everywhere.
func (p *benchLabPart) versus(measures []*benchMeasure, runs int, b *strings.Builder) {
	var own, foreign []string
	for _, s := range p.Subjects {
		switch kind := findBenchKind(s); {
		case kind == nil:
			foreign = append(foreign, s)
		case kind.args != nil:
			own = append(own, s)
		}
	}
	if len(own) == 0 || len(foreign) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s: ratio to each other tunnel in the same round, median of %s\n", p.title(), rounds(runs))
	for i, m := range measures {
		if m.passive() {
			continue // others' processes are not known
		}
		t := &table{indent: "  ", numbers: 1}
		if i > 0 {
			t.add() // an empty line
		}
		t.add(append([]string{fmt.Sprintf("%s, %s", m.Title, m.Figures[0].Title)}, own...)...)
		for _, f := range foreign {
			row := []string{"  ÷ " + f}
			for _, s := range own {
				row = append(row, p.ratioTo(m, s, f))
			}
			t.add(row...)
		}
		t.writeTo(b)
	}
}

// captureCost adds, where both were measured, what vxtap is with a capture as a multiple of what
// it is without.
func (p *benchLabPart) captureCost(measures []*benchMeasure, runs int, b *strings.Builder) {
	if !slices.Contains(p.Subjects, benchVxtap) || !slices.Contains(p.Subjects, benchCaptured) {
		return
	}
	fmt.Fprintf(b, "\n%s: ratio of vxtap with a capture to vxtap without in the same round, median of %s\n", p.title(), rounds(runs))
	t := &table{indent: "  ", numbers: 1}
	for _, m := range measures {
		if !m.passive() {
			t.add(fmt.Sprintf("%s, %s", m.Title, m.Figures[0].Title), p.ratioTo(m, benchCaptured, benchVxtap))
		}
	}
	t.writeTo(b)
}

// ratioTo is the first figure of a measure as a multiple of another subject's.
func (p *benchLabPart) ratioTo(m *benchMeasure, subject, other string) string {
	r, base := p.find(m.Key, subject), p.find(m.Key, other)
	if r == nil || base == nil {
		return "-"
	}
	for _, r := range []*benchResult{r, base} {
		if n, _ := r.failures(); n == len(r.Samples) {
			return "failed"
		}
	}
	return ratio(summarize(r, base, m.Figures[0].Key).Ratio)
}
