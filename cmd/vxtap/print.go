package main

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// jsonFlag adds --json.
func jsonFlag(fs *pflag.FlagSet, asJSON *bool) {
	fs.BoolVar(asJSON, "json", false, "print JSON, with the names of the agent's API")
}

// printJSON writes v for programs, and for people who look at what programs get.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table is text in columns, two spaces apart.
type table struct {
	indent  string
	numbers int // columns from this one on are aligned right; 0 for none
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// writeTo appends the table to b. No line ends in spaces.
func (t *table) writeTo(b *strings.Builder) {
	widths := t.widths()
	for _, row := range t.rows {
		var line strings.Builder
		line.WriteString(t.indent)
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.numbers > 0 && i >= t.numbers {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
}

func (t *table) widths() []int {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}
