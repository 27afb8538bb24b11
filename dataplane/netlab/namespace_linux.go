package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// A network namespace belongs to a thread, and Go moves goroutines between threads. So
// whatever is to happen in a namespace happens in a goroutine of its own, locked to a
// thread that enters the namespace for that time.
//
// The process's first thread never does: /proc/self is about that thread, and it cannot
// end, so that it could not be thrown away when it fails to come back.

// runDir is where iproute2 keeps named namespaces.
const runDir = "/run/netns"

const ownNamespace = "/proc/thread-self/ns/net"

// onSpareThread runs f in a new goroutine that is locked to a thread other than the
// first. If f does not unlock it, the thread ends with the goroutine.
func onSpareThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		// While this goroutine holds the first thread, the next one gets another.
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			f()
		}()
		<-locked
		runtime.UnlockOSThread()
	}()
}

// newNamespace makes a network namespace and returns the descriptor that holds it.
func newNamespace() (*os.File, error) {
	var ns *os.File
	var err error
	done := make(chan struct{})
	onSpareThread(func() { // and the thread ends with its visit
		defer close(done)
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("make a network namespace: %w", err)
			return
		}
		ns, err = os.Open(ownNamespace)
	})
	<-done
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w: it takes CAP_SYS_ADMIN (root, or a user namespace)", err)
	}
	return ns, err
}

// inside runs f on a thread in namespace ns and returns its error.
func inside(ns *os.File, f func() error) error {
	err := errors.New("the function ended its goroutine") // unless it returns
	done := make(chan struct{})
	onSpareThread(func() {
		defer close(done)
		err = visit(ns, f)
	})
	<-done
	return err
}

// visit takes the locked thread into ns for as long as f runs, and unlocks it if it came
// back.
func visit(ns *os.File, f func() error) error {
	home, err := os.Open(ownNamespace)
	if err != nil {
		return err
	}
	defer home.Close()
	if err := enter(ns); err != nil {
		return err
	}
	defer func() {
		if enter(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return f()
}

// enter moves the thread into ns.
func enter(ns *os.File) error {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", ns.Name(), err)
	}
	return nil
}

// pinned is a namespace's name in runDir.
type pinned struct {
	path string
	dir  *os.File // runDir as it was when the name was made
}

// pin gives ns a name in runDir, where "ip netns" looks.
func pin(ns *os.File, name string) (_ *pinned, err error) {
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	p := &pinned{path: filepath.Join(runDir, name)}
	if p.dir, err = os.OpenFile(runDir, unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p.path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		p.dir.Close()
		return nil, err
	}
	f.Close()
	if err := unix.Mount(descriptorPath(ns), p.path, "none", unix.MS_BIND, ""); err != nil {
		os.Remove(p.path)
		p.dir.Close()
		return nil, fmt.Errorf("mount the namespace on %s: %w", p.path, err)
	}
	return p, nil
}

// unpin undoes pin. Whoever has the namespace open keeps it.
//
// The first "ip netns add" on a machine mounts runDir over itself, with a copy of each
// mount in it. If that was after pin, our own is hidden below, where only the directory
// that was opened before still leads.
func (p *pinned) unpin() error {
	hidden := filepath.Join(descriptorPath(p.dir), filepath.Base(p.path))
	for _, path := range []string{p.path, hidden} {
		// Detached, since another mount namespace may have a copy.
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return p.dir.Close()
}

// cannotPin reports whether err, from pin, means that this process may not name
// namespaces: it is in a user namespace, or /run is read-only.
func cannotPin(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS)
}

// descriptorPath names an open file for as long as it is open.
func descriptorPath(f *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}
