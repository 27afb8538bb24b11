// Command tally runs go test and says plainly how it went: one line a package, the
// whole output of whatever did not pass, and last the line
//
//	N passed, N failed, N skipped
//
// in which every test and every subtest counts one. A package that does not build or
// dies outside its tests counts as one failure. A skipped test is a failure too: a
// test that did not run has shown nothing.
//
//	tally [go test flags and packages] [-- another run's flags and packages]...
//
// The runs follow one another and share the last line.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	var total counts
	for _, args := range split(os.Args[1:], "--") {
		fmt.Printf("== go test %s\n", strings.Join(args, " "))
		got, err := goTest(args)
		if err != nil {
			fmt.Fprintf(os.Stderr, "tally: %v\n", err)
		}
		total.add(got)
	}
	fmt.Println(total)
	if total.failed > 0 || total.skipped > 0 || total.passed == 0 {
		os.Exit(1)
	}
}

// goTest does one run. An exit status that no test explains, such as that of a
// package pattern that matches nothing, counts as a failure and is returned.
func goTest(args []string) (counts, error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return counts{failed: 1}, fmt.Errorf("make a pipe for go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return counts{failed: 1}, fmt.Errorf("start go test: %w", err)
	}
	run := newRun(os.Stdout)
	readErr := run.read(stdout)
	// A reader that gave up leaves the pipe full: close it, or go test never ends.
	_ = stdout.Close()
	err = errors.Join(readErr, cmd.Wait())
	if err == nil || readErr == nil && run.counts.failed > 0 {
		return run.counts, nil
	}
	run.counts.failed++
	return run.counts, fmt.Errorf("go test %s: %w", strings.Join(args, " "), err)
}

// split cuts args at every sep.
func split(args []string, sep string) [][]string {
	var runs [][]string
	for {
		i := slices.Index(args, sep)
		if i < 0 {
			return append(runs, args)
		}
		runs, args = append(runs, args[:i]), args[i+1:]
	}
}
