package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Outcome is one run of a scenario.
type Outcome struct {
	Call  Call       // the one that failed
	Errno unix.Errno // with what
	Says  string     // what the scenario said of itself
	Err   string     // its error, "" if it went well
	Left  []string   // what it has left behind
}

func (o Outcome) String() string { return fmt.Sprintf("%s = %v", o.Call.Name(), o.Errno) }

// Errnos says how a call may fail, each once; none has it left alone.
type Errnos func(Call) []unix.Errno

// Sweep runs a scenario of this test binary in a child, in a network namespace of its own:
// as it is, which is the first outcome, and then once for each of its calls with these
// numbers, in their order, and each of its errnos. See [Serve].
func Sweep(ctx context.Context, scenario string, errnos Errnos, calls ...int) ([]Outcome, error) {
	c, err := newSweeper(ctx, scenario, errnos, calls)
	if err != nil {
		return nil, err
	}
	outcomes, err := c.sweep()
	return outcomes, errors.Join(err, c.close())
}

// sweeper is a child, and what becomes of its calls.
type sweeper struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *json.Decoder
	done    <-chan struct{}
	errnos  Errnos

	mu      sync.Mutex
	running bool
	made    []Call     // in this run
	fail    int        // the index of the one that is to fail, or -1
	way     int        // the index of the errno
	errno   unix.Errno // with which it has failed
}

func newSweeper(ctx context.Context, scenario string, errnos Errnos, calls []int) (*sweeper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &sweeper{cmd: exec.CommandContext(ctx, self), errnos: errnos}
	s.cmd.Env = append(os.Environ(), scenarioVariable+"="+scenario, "GORACE=atexit_sleep_ms=0")
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.replies = json.NewDecoder(bufio.NewReader(out))
	s.done, err = Start(s.cmd, (*exec.Cmd).Start, s.judge, calls...)
	return s, err
}

func (s *sweeper) close() error {
	err := errors.Join(s.in.Close(), s.cmd.Wait())
	<-s.done
	return err
}

func (s *sweeper) judge(c Call) unix.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		return 0
	}
	s.made = append(s.made, c)
	if len(s.made)-1 != s.fail {
		return 0
	}
	// Which call that is may differ from run to run, where something was tried again.
	if ways := s.errnos(c); s.way < len(ways) {
		s.errno = ways[s.way]
	}
	return s.errno
}

// sweep does it all. The first runs warm up what programs keep for later.
func (s *sweeper) sweep() ([]Outcome, error) {
	var whole Outcome
	for range 3 {
		var err error
		if whole, err = s.run(-1, 0); err != nil {
			return nil, err
		}
	}
	outcomes := []Outcome{whole}
	for fail, call := range s.made {
		for way := range s.errnos(call) {
			o, err := s.run(fail, way)
			if err != nil {
				return outcomes, fmt.Errorf("with %v: %w", o, err)
			}
			if o.Errno != 0 {
				outcomes = append(outcomes, o)
			}
		}
	}
	return outcomes, nil
}

// run has the child run its scenario once, with one call failing in one way.
func (s *sweeper) run(fail, way int) (Outcome, error) {
	s.mu.Lock()
	s.running, s.made, s.fail, s.way, s.errno = true, nil, fail, way, 0
	s.mu.Unlock()
	r, err := s.ask("run")
	s.mu.Lock()
	s.running = false
	o := Outcome{Errno: s.errno, Says: r.Says, Err: r.Err}
	if s.errno != 0 {
		o.Call = s.made[fail]
	}
	s.mu.Unlock()
	if err != nil {
		return o, err
	}
	r, err = s.ask("look")
	o.Left = r.Left
	return o, err
}

func (s *sweeper) ask(what string) (r report, err error) {
	if _, err := fmt.Fprintln(s.in, what); err != nil {
		return r, fmt.Errorf("the scenario's process does not hear: %w", err)
	}
	if err := s.replies.Decode(&r); err != nil {
		return r, fmt.Errorf("the scenario's process does not answer: %w", err)
	}
	return r, nil
}

// Fault says what is wrong with an outcome, given how things are when nothing fails: an error
// is one line that says something; without one, what does not work is said; and nothing
// is left behind. "" is nothing wrong. silent are the calls that nobody need know of.
func (o Outcome) Fault(whole Outcome, silent func(Call) bool) string {
	switch {
	case len(o.Left) > 0:
		return fmt.Sprintf("left behind: %q (error %q)", o.Left, o.Err)
	case strings.Contains(o.Err, "\n"):
		return fmt.Sprintf("the error has several lines: %q", o.Err)
	case o.Err == "" && o.Says == whole.Says && !silent(o.Call):
		return "nothing is said"
	}
	return ""
}
