package tap

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
)

// openNamespace opens the network namespace with that name under /run/netns or, if
// there is a '/' in it, that path. The caller closes it.
func openNamespace(name string) (netns.NsHandle, error) {
	path := name
	if !strings.Contains(name, "/") {
		path = filepath.Join("/run/netns", name)
	}
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return netns.None(), fmt.Errorf("open network namespace %s: %w", path, err)
	}
	return ns, nil
}

// withNamespace calls f on a thread in the namespace of that name, see openNamespace;
// empty is the one that the calling thread is in.
func withNamespace(name string, f func() error) error {
	if name == "" {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return f()
	}
	ns, err := openNamespace(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return inNamespace(ns, f)
}

// inNamespace calls f on a thread in ns. That is never the caller's thread, which
// could not be given up if the way back failed.
func inNamespace(ns netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- visit(ns, f) }()
	return <-done
}

// visit takes the thread of its goroutine to ns and back. If it cannot come back it
// stays locked, and the runtime ends the thread with the goroutine: no other goroutine
// ever runs in the wrong namespace.
func visit(ns netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open this network namespace: %w", err)
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	err = f()
	if netns.Set(home) == nil {
		runtime.UnlockOSThread()
	}
	return err
}
