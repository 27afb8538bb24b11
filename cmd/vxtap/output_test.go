package main

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// refusing is a file on a disk that is full, or a pipe that nobody reads any more.
type refusing struct{ errno syscall.Errno }

func (r refusing) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", r.errno) }

// A command whose output is lost has failed, and says why. A reader that has had enough is no
// reason.
func TestOutputThatIsLost(t *testing.T) {
	for errno, want := range map[syscall.Errno]int{syscall.ENOSPC: exitFailed, syscall.EPIPE: exitDone} {
		var stderr bytes.Buffer
		out := &standardOutput{w: refusing{errno}}
		fmt.Fprintln(out, "not looked after")
		e := &env{stdout: refusing{errno}, stderr: &stderr, getenv: func(string) string { return "" }}
		code := run(t.Context(), e, []string{"--help"})
		if code != want || (out.failed() != nil) != (want != exitDone) {
			t.Errorf("%v: exit code %d, want %d; %v", errno, code, want, out.failed())
		}
		if want != exitDone && !strings.Contains(stderr.String(), errno.Error()) {
			t.Errorf("%v: said %q", errno, &stderr)
		}
	}
}
