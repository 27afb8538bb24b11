package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name, events string
		want         counts
		shown        []string // parts of the output, in this order
		hidden       string   // what must not be shown
	}{
		{
			name: "a pass is one line",
			events: `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"chatter\n"}
{"Action":"pass","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"pass","Package":"a","Elapsed":1.5}`,
			want:   counts{passed: 1},
			shown:  []string{"ok    a ", "1.50s  1 passed, 0 failed, 0 skipped\n"},
			hidden: "chatter",
		},
		{
			name: "a failure is shown whole, apart from a package beside it",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"run","Package":"b","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"a","Test":"TestX","Output":"first\n"}
{"Action":"output","Package":"b","Test":"TestX","Output":"chatter\n"}
{"Action":"output","Package":"a","Test":"TestX","Output":"second\n"}
{"Action":"pass","Package":"b","Test":"TestX"}
{"Action":"fail","Package":"a","Test":"TestX"}
{"Action":"fail","Package":"a"}
{"Action":"pass","Package":"b"}`,
			want:   counts{passed: 1, failed: 1},
			shown:  []string{"--- FAIL: a TestX\nfirst\nsecond\n", "FAIL  a ", "ok    b "},
			hidden: "chatter",
		},
		{
			name: "a skip counts and gives its reason",
			events: `{"Action":"output","Package":"a","Test":"TestX/y","Output":"needs a moon\n"}
{"Action":"skip","Package":"a","Test":"TestX/y"}
{"Action":"pass","Package":"a","Test":"TestX"}
{"Action":"pass","Package":"a"}`,
			want:  counts{passed: 1, skipped: 1},
			shown: []string{"--- SKIP: a TestX/y\nneeds a moon\n"},
		},
		{
			name: "a package without tests is not a skip",
			events: `{"Action":"output","Package":"a","Output":"?   \ta\t[no test files]\n"}
{"Action":"skip","Package":"a"}`,
			hidden: "a",
		},
		{
			name: "a package that does not build",
			events: `{"ImportPath":"a [a.test]","Action":"build-output","Output":"a.go:3: undefined: x\n"}
{"ImportPath":"a [a.test]","Action":"build-fail"}
{"Action":"output","Package":"a","Output":"FAIL\ta [build failed]\n"}
{"Action":"fail","Package":"a","FailedBuild":"a [a.test]"}`,
			want:  counts{failed: 1},
			shown: []string{"undefined: x\n", "[build failed]\n", "FAIL  a "},
		},
		{
			name: "a package that dies under a test",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"panic: oh\n"}
{"Action":"fail","Package":"a"}`,
			want:  counts{failed: 1},
			shown: []string{"--- DID NOT END: a TestX\npanic: oh\n", "FAIL  a "},
		},
		{
			name: "a timeout, which go test files under the test that passed before it",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"run","Package":"a","Test":"TestY"}
{"Action":"output","Package":"a","Test":"TestY","Output":"chatter\n"}
{"Action":"output","Package":"a","Test":"TestY","Output":"--- PASS: TestY (0.00s)\n"}
{"Action":"output","Package":"a","Test":"TestY","Output":"panic: test timed out after 2s\n"}
{"Action":"pass","Package":"a","Test":"TestY"}
{"Action":"fail","Package":"a"}`,
			want:   counts{passed: 1, failed: 1},
			shown:  []string{"--- DID NOT END: a TestX\n", "panic: test timed out after 2s\n", "FAIL  a "},
			hidden: "chatter",
		},
		{
			name: "a package that fails though its tests pass",
			events: `{"Action":"pass","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Output":"goleak: errors on successful test run\n"}
{"Action":"fail","Package":"a"}`,
			want:  counts{passed: 1, failed: 1},
			shown: []string{"goleak: errors", "FAIL  a "},
		},
		{
			name:   "go test that dies",
			events: `{"Action":"run","Package":"a","Test":"TestX"}`,
			want:   counts{failed: 1},
			shown:  []string{"--- DID NOT END: a TestX\n"},
		},
		{
			name:   "a line that is no event",
			events: "go: downloading example.org/x\n",
			shown:  []string{"go: downloading example.org/x\n"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newRun(&out)
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if r.counts != tt.want {
				t.Errorf("counted %v, want %v", r.counts, tt.want)
			}
			rest := out.String()
			for _, part := range tt.shown {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("%q is not shown, or out of order, in:\n%s", part, out.String())
				}
				rest = after
			}
			if tt.hidden != "" && strings.Contains(out.String(), tt.hidden) {
				t.Errorf("%q is shown in:\n%s", tt.hidden, out.String())
			}
		})
	}
}

func TestSplit(t *testing.T) {
	got := split([]string{"-race", "./...", "--", "./..."}, "--")
	want := [][]string{{"-race", "./..."}, {"./..."}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("split into %q, want %q", got, want)
	}
}
