package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// forker is a thread that lives in a namespace to start children there.
//
// It has to live as long as they do: the kernel sends a child's Pdeathsig when the
// thread that forked it ends, not when the process does. That makes it a leash. When
// the host is closed or this process dies, however it dies, the children go, too.
type forker struct {
	jobs chan func()
	done chan struct{}
}

// newForker starts the thread, or says why it cannot enter ns.
func newForker(ns *os.File) (*forker, error) {
	f := &forker{jobs: make(chan func()), done: make(chan struct{})}
	entered := make(chan error)
	onSpareThread(func() {
		defer close(f.done)
		err := enter(ns)
		entered <- err
		if err != nil {
			return
		}
		for job := range f.jobs {
			job()
		}
	})
	if err := <-entered; err != nil {
		return nil, err
	}
	return f, nil
}

// do runs job on the thread.
func (f *forker) do(job func() error) error {
	result := make(chan error)
	f.jobs <- func() { result <- job() }
	return <-result
}

// stop ends the thread, and with it the children.
func (f *forker) stop() {
	close(f.jobs)
	<-f.done
}

// Start starts cmd in the namespace, as cmd.Start does; the caller waits for it. Unless
// cmd.SysProcAttr says otherwise, the child is killed when the lab is closed and when
// this process dies. It keeps this process's mounts, so that /sys shows the devices of
// this process's namespace.
func (h *Host) Start(cmd *exec.Cmd) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.startForker(); err != nil {
		return fmt.Errorf("start %s in host %s: %w", cmd.Path, h.name, err)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.SysProcAttr.Pdeathsig == 0 {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := h.forks.do(cmd.Start); err != nil {
		return fmt.Errorf("start in host %s: %w", h.name, err)
	}
	return nil
}

// startForker sees to it that there is a forker. mu is held.
func (h *Host) startForker() (err error) {
	switch {
	case h.closed:
		return errClosed
	case h.forks != nil:
		return nil
	}
	h.forks, err = newForker(h.ns)
	return err
}
