package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Scenario is what a child of [Sweep] does again and again: open something, see what it
// says of itself, and close it. What it says is what differs if something does not work.
// Errors of closing are of those that it returns.
type Scenario func() (says string, err error)

// scenarioVariable names the scenario that a child is to serve.
const scenarioVariable = "VXTAP_FAULTS_SCENARIO"

// Serve makes this process the child of a [Sweep] if it is one, and does not return
// then. To be called by TestMain. Each scenario is given ready by a function that is
// called once, before any call can fail.
func Serve(scenarios map[string]func() (Scenario, error)) {
	name := os.Getenv(scenarioVariable)
	if name == "" {
		return
	}
	if err := serve(scenarios[name]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// report is what a child says of one run.
type report struct {
	Says string
	Err  string
	Left []string // what it has that it had not before the run
}

// serve answers each "run" with the result, and each "look" with what is left. In between,
// the parent has ended the interference.
func serve(prepare func() (Scenario, error)) error {
	scenario, err := prepare()
	if err != nil {
		return err
	}
	if err := Obey(); err != nil {
		return err
	}
	var r report
	debug.SetGCPercent(-1) // it would close what was left, sooner or later
	// Of the main thread, which the runtime may keep though it is of no use any more.
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	before := holdings(home)
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "run":
			says, err := scenario()
			r = report{Says: says}
			if err != nil {
				r.Err = err.Error()
			}
		case "look":
			r.Left = settled(home, before)
			before = holdings(home) // what was left counts once
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return in.Err()
}

// How long goroutines and threads may take to end on a busy machine, and all else to be
// given back.
const (
	patience    = time.Minute
	impatience  = time.Second
	oneMoreLook = 2 * time.Millisecond
)

// settled returns what this process has beyond what it had before, when it has had time to
// go away.
func settled(home string, before []string) (left []string) {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(oneMoreLook) {
		left = holdings(home)
		for _, h := range before {
			if i := slices.Index(left, h); i >= 0 {
				left = slices.Delete(left, i, i+1)
			}
		}
		if !slices.ContainsFunc(left, ending) && (len(left) == 0 || time.Since(begun) > impatience) {
			break
		}
	}
	if len(left) == 0 {
		return nil
	}
	return left
}

// What takes a moment to end.
const (
	heldGoroutine = "goroutine"
	heldThread    = "thread in another network namespace"
)

func ending(held string) bool { return held == heldGoroutine || held == heldThread }

var inode = regexp.MustCompile(`:\[\d+\]$`)

// holdings lists descriptors, goroutines, interfaces, and threads in network
// namespaces other than home.
func holdings(home string) (list []string) {
	files, _ := filepath.Glob("/proc/self/fd/*") // the only error is of a bad pattern
	for _, f := range files {
		if target, err := os.Readlink(f); err == nil {
			list = append(list, "descriptor of "+inode.ReplaceAllString(target, ""))
		}
	}
	tasks, _ := filepath.Glob("/proc/self/task/*/ns/net")
	for _, t := range tasks {
		if ns, err := os.Readlink(t); err == nil && ns != home {
			list = append(list, heldThread)
		}
	}
	devices, _ := os.ReadFile("/proc/self/net/dev")
	for line := range strings.Lines(string(devices)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			list = append(list, "interface "+strings.TrimSpace(name))
		}
	}
	for range runtime.NumGoroutine() {
		list = append(list, heldGoroutine)
	}
	return list
}
