//go:build unix && !aix && !solaris

package api

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errLocked: another process holds the lock.
var errLocked = errors.New("locked")

// pathLock is an exclusive lock on a file that exists for its sake.
type pathLock struct{ file *os.File }

// lockFile makes the file if need be and locks it, or returns errLocked.
func lockFile(path string) (*pathLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f); err != nil {
			f.Close()
			return nil, err
		}
		if stillAt(path, f) {
			return &pathLock{f}, nil
		}
		f.Close() // its holder removed it between our open and our lock
	}
}

func flock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return errLocked
		default:
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

func stillAt(path string, f *os.File) bool {
	now, err := os.Lstat(path)
	if err != nil {
		return false
	}
	held, err := f.Stat()
	return err == nil && os.SameFile(now, held)
}

// release removes the file and then lets go of it: whoever waits for this one sees that
// it is gone and makes another.
func (l *pathLock) release() {
	os.Remove(l.file.Name())
	l.file.Close()
}
