package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runInUserNamespace runs this command line again as the root of a user namespace, which
// may make network namespaces of its own but changes nothing outside. It cannot just move
// there: the kernel lets no process do so that has threads.
//
// The inner process cleans up. This one passes signals on, waits, and repeats what the
// inner one had to say.
func runInUserNamespace(ctx context.Context, e *env) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the vxtap program: %w", err)
	}
	var stderr bytes.Buffer
	inner := exec.CommandContext(ctx, exe, os.Args[1:]...)
	inner.Stdin, inner.Stdout, inner.Stderr = os.Stdin, e.childStdout(), &stderr
	inner.Cancel = func() error { return inner.Process.Signal(unix.SIGTERM) }
	inner.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		// It cleans up when this process dies. The signal comes when the thread ends
		// that started it, so that is kept.
		Pdeathsig: unix.SIGTERM,
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := inner.Start(); err != nil {
		return explainUserNamespace(err)
	}
	err = inner.Wait()
	if inner.ProcessState.Success() { // also if ctx has ended
		return nil
	}
	var exit *exec.ExitError
	switch {
	case !errors.As(err, &exit):
		return err
	case stderr.Len() == 0 && ctx.Err() != nil: // it was too young to catch the signal
		return explainEnd(e.stderr, context.Cause(ctx))
	}
	return innerError(e, stderr.String(), exit)
}

// explainUserNamespace says what keeps this user from making one.
func explainUserNamespace(err error) error {
	if off := userNamespacesOff(); off != "" {
		return fmt.Errorf("user namespaces are disabled (%s): run as root, or change that with sysctl", off)
	}
	return fmt.Errorf("make a user namespace for user %d: %w: run as root", os.Getuid(), err)
}

// innerError is the one line with which the inner command failed. What it wrote before
// that is passed on.
func innerError(e *env, stderr string, exit *exec.ExitError) error {
	stderr = strings.TrimSuffix(stderr, "\n")
	before, last := "", stderr
	if i := strings.LastIndexByte(stderr, '\n'); i >= 0 {
		before, last = stderr[:i+1], stderr[i+1:]
	}
	line, ok := strings.CutPrefix(last, "vxtap: ")
	if !ok {
		return fmt.Errorf("demo in a user namespace: %w: %s", exit, stderr)
	}
	fmt.Fprint(e.stderr, before)
	return errors.New(line)
}

// inUserNamespace reports whether this process is in one other than the first: there,
// user numbers do not mean themselves.
func inUserNamespace() bool {
	mapping, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(mapping)), " ") != "0 0 4294967295"
}
