package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of go test -json; the fields are those of go doc test2json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output, where Package is empty
	FailedBuild string // of a package's fail: the ImportPath that did not build
	Test        string // empty for what concerns the package as a whole
	Elapsed     float64
	Output      string
}

// counts is the sum that tally exists for.
type counts struct{ passed, failed, skipped int }

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

// run follows one go test. Packages are tested at the same time and their events
// arrive mixed, so output is kept by package and test until its fate is known.
type run struct {
	out      io.Writer
	counts   counts
	packages map[string]*pkg
	builds   map[string]*strings.Builder // by ImportPath: what the compiler said
}

// pkg is a package under test.
type pkg struct {
	counts counts
	output map[string]*strings.Builder // by test that has not ended; "" is the package's own
	judged string                      // the test whose verdict was the last to be printed
}

func newRun(out io.Writer) *run {
	return &run{out: out, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
}

// read takes events until the stream ends, and a package that never ended for failed.
func (r *run) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if err != nil {
			for _, name := range slices.Sorted(maps.Keys(r.packages)) {
				r.packageFailed(event{Package: name})
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read the events of go test: %w", err)
		}
	}
}

// line takes one line. What is not an event is passed on as it is.
func (r *run) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(r.out, "%s", line)
		return
	}
	switch {
	case e.Action == "build-output":
		builder(r.builds, e.ImportPath).WriteString(e.Output)
	case e.Package == "":
	case e.Test == "":
		r.packageEvent(e)
	default:
		r.pkg(e.Package).testEvent(r.out, e)
	}
}

func (r *run) packageEvent(e event) {
	switch e.Action {
	case "start":
		r.pkg(e.Package)
	case "output":
		builder(r.pkg(e.Package).output, "").WriteString(e.Output)
	case "pass":
		r.packageEnded(e, "ok  ")
	case "skip": // No test files, which is not a test skipped: not worth a line.
		delete(r.packages, e.Package)
	case "fail":
		r.packageFailed(e)
	}
}

// packageFailed counts and shows the tests that never ended, for the package died
// under them; if no test is to blame, the package itself counts as one.
func (r *run) packageFailed(e event) {
	p := r.pkg(e.Package)
	own := builder(p.output, "").String()
	delete(p.output, "")
	for _, test := range slices.Sorted(maps.Keys(p.output)) {
		fmt.Fprintf(r.out, "--- DID NOT END: %s %s\n%s", e.Package, test, p.output[test])
		p.counts.failed++
	}
	if p.counts.failed == 0 {
		p.counts.failed++
	}
	if build := r.builds[e.FailedBuild]; build != nil {
		fmt.Fprint(r.out, build)
	}
	fmt.Fprint(r.out, own)
	r.packageEnded(e, "FAIL")
}

func (r *run) packageEnded(e event, word string) {
	p := r.pkg(e.Package)
	fmt.Fprintf(r.out, "%s  %-50s %7.2fs  %v\n", word, e.Package, e.Elapsed, p.counts)
	r.counts.add(p.counts)
	delete(r.packages, e.Package)
}

// testEvent takes an event of one test, and shows its output unless it passed.
func (p *pkg) testEvent(out io.Writer, e event) {
	switch e.Action {
	case "run":
		builder(p.output, e.Test)
		return
	case "output":
		p.testOutput(e)
		return
	case "pass", "bench":
		p.counts.passed++
	case "fail":
		p.counts.failed++
		p.show(out, e)
	case "skip":
		p.counts.skipped++
		p.show(out, e)
	default:
		return
	}
	delete(p.output, e.Test)
}

// testOutput keeps a line for the day its test fails. What follows a test's verdict is
// filed under that test by go test, but it is the death cry of the package: a panic or
// a timeout, with the stacks of all goroutines.
func (p *pkg) testOutput(e event) {
	switch line := strings.TrimLeft(e.Output, " "); {
	case strings.HasPrefix(line, "=== "): // RUN, PAUSE, CONT, NAME: nothing to a reader.
	case e.Test == p.judged:
		builder(p.output, "").WriteString(e.Output)
	default:
		builder(p.output, e.Test).WriteString(e.Output)
		if strings.HasPrefix(line, "--- PASS: ") || strings.HasPrefix(line, "--- FAIL: ") {
			p.judged = e.Test
		}
	}
}

func (p *pkg) show(out io.Writer, e event) {
	fmt.Fprintf(out, "--- %s: %s %s\n%s", strings.ToUpper(e.Action), e.Package, e.Test, builder(p.output, e.Test))
}

func (r *run) pkg(name string) *pkg {
	if r.packages[name] == nil {
		r.packages[name] = &pkg{output: map[string]*strings.Builder{}}
	}
	return r.packages[name]
}

// builder returns the text kept under a key, made if need be.
func builder(texts map[string]*strings.Builder, key string) *strings.Builder {
	if texts[key] == nil {
		texts[key] = new(strings.Builder)
	}
	return texts[key]
}
