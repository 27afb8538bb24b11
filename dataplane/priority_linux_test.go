package dataplane_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// favoured is how many threads of this process have the nice value of workers.
func favoured(t *testing.T) (n int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 16 && fields[16] == "-10" {
			n++
		}
	}
	return n
}

// TestWorkersComeFirst: while they live, and no other thread is left with their nice value.
// Where drivers cannot be polled they are as others, and where the process was given a nice
// value.
func TestWorkersComeFirst(t *testing.T) {
	workers := 4
	if nice, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid()); err != nil || nice != 20 {
		t.Logf("this process was given a nice value (%d): %v", 20-nice, err)
		workers = 0
	}
	await := func(want int) {
		t.Helper()
		again, limit := time.NewTicker(time.Millisecond), time.After(30*time.Second)
		defer again.Stop()
		for favoured(t) != want { // which changes without an event
			select {
			case <-again.C:
			case <-limit:
				t.Fatalf("%d threads have the nice value of workers, want %d", favoured(t), want)
			}
		}
	}
	await(0)
	a := newNode(t, newWire(), "10.9.0.1", setup{workers: 2, busyPoll: time.Microsecond})
	await(workers)
	if err := a.vtep.Close(); err != nil {
		t.Error(err)
	}
	await(0)
	b := newNode(t, newWire(), "10.9.0.2", setup{workers: 2})
	if n := favoured(t); n != 0 {
		t.Errorf("%d threads come first", n)
	}
	if err := b.vtep.Close(); err != nil {
		t.Error(err)
	}
}
