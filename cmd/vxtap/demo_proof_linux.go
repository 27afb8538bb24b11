package main

import (
	"fmt"
	"strings"
)

// proof is a list of what was checked, in the order of the report. A check that failed
// does not end the demo: the others may tell why.
type proof []finding

// finding is one check: what should be, what was found, and whether that is good.
type finding struct {
	check, result string
	ok            bool
}

// add notes the outcome of a check; check is what should be, in a few words.
func (p *proof) add(ok bool, check, format string, args ...any) {
	*p = append(*p, finding{check, fmt.Sprintf(format, args...), ok})
}

// table is what the report ends with.
func (p proof) table() string {
	t := table{indent: "  "}
	t.add("", "check", "result")
	for _, f := range p {
		t.add(mark(f.ok), f.check, f.result)
	}
	return textOf(&t)
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

// verdict is an error that names the checks that failed, if any did.
func (p proof) verdict() error {
	var failed []string
	for _, f := range p {
		if !f.ok {
			failed = append(failed, f.check)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed: %s", len(failed), len(p), strings.Join(failed, "; "))
}

// textOf returns a table as it is printed.
func textOf(t *table) string {
	var b strings.Builder
	t.writeTo(&b)
	return b.String()
}
