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

// pin gives ns a name in runDir, where "ip netns" looks, and returns its path.
func pin(ns *os.File, name string) (string, error) {
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(runDir, name)
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return "", err
	}
	f.Close()
	if err := unix.Mount(descriptorPath(ns), path, "none", unix.MS_BIND, ""); err != nil {
		os.Remove(path)
		return "", fmt.Errorf("mount the namespace on %s: %w", path, err)
	}
	return path, nil
}

// unpin undoes pin. Whoever has the namespace open keeps it.
func unpin(path string) error {
	// Detached, since another mount namespace may have a copy.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
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
