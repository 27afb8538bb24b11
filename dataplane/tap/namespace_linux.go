package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// nsGetNSType is NS_GET_NSTYPE of linux/nsfs.h, which x/sys does not have.
const nsGetNSType = 0xb703

// openNamespace opens the network namespace with that name under /run/netns or, if
// there is a '/' in it, that path. The caller closes it. Nothing else is opened: of a FIFO
// that would take until somebody writes to it, and some devices do something then.
func openNamespace(name string) (netns.NsHandle, error) {
	path := name
	if !strings.Contains(name, "/") {
		path = filepath.Join("/run/netns", name)
	}
	ns, err := netns.None(), checkNamespaceFile(path)
	if err == nil {
		ns, err = netns.GetFromPath(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return netns.None(), refuse(ErrNoNamespace, err, "there is no network namespace %s: make it with `ip netns add NAME`, or name another", path)
	case errors.Is(err, errNoNamespaceFile):
		return netns.None(), noNamespace(path, err)
	case err != nil:
		return netns.None(), fmt.Errorf("open network namespace %s: %w", path, err)
	}
	if kind, err := unix.IoctlRetInt(int(ns), nsGetNSType); err != nil || kind != unix.CLONE_NEWNET {
		ns.Close()
		return netns.None(), noNamespace(path, err)
	}
	return ns, nil
}

func noNamespace(path string, err error) error {
	return refuse(ErrNoNamespace, err, "%s is no network namespace: give the name of one under /run/netns, or a path like /proc/PID/ns/net", path)
}

var errNoNamespaceFile = errors.New("not a file of namespaces")

// checkNamespaceFile says whether path is a namespace of any kind, without opening it.
func checkNamespaceFile(path string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return err
	}
	if fs.Type != unix.NSFS_MAGIC {
		return errNoNamespaceFile
	}
	return nil
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
// ever runs in the wrong namespace. The process's first thread it would not end, and that
// is what others take the process's namespace from: it stays at home.
func visit(ns netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		defer runtime.UnlockOSThread()
		return inNamespace(ns, f) // on another, as this one is taken
	}
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
