package cni

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"
)

// How long a command waits for another one on the same attachment, and how often it looks.
const (
	lockTimeout = time.Minute
	lockPoll    = 10 * time.Millisecond
)

// lock keeps other commands off an attachment until unlock is called or, if this process is
// killed, until the address plugin that it began has ended, too: DEL must not overtake an
// allocation that is under way. So the lock is of an open file (F_OFD_SETLK) that children
// inherit, and a byte of one file for each attachment: the kernel drops it with the last that
// has the file open, and there is nothing to sweep up.
func lock(socket, attachment string) (unlock func(), err error) {
	path := filepath.Join(filepath.Dir(socket), "cni.lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, problem(types.ErrIOFailure, "make the directory of %s: %v", path, err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT, 0o600) // without O_CLOEXEC
	if err != nil {
		return nil, problem(types.ErrIOFailure, "open %s: %v", path, err)
	}
	digest := sha256.Sum256([]byte(attachment))
	file := unix.Flock_t{
		Type: unix.F_WRLCK, Whence: io.SeekStart, Len: 1,
		Start: int64(binary.BigEndian.Uint64(digest[:]) >> 2), // room for Len
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(lockPoll) {
		err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &file)
		switch {
		case err == nil:
			return func() { unix.Close(fd) }, nil
		case errors.Is(err, unix.EAGAIN) && time.Now().Before(deadline):
			continue
		case errors.Is(err, unix.EAGAIN):
			err = problem(types.ErrTryAgainLater, "another command on %s has not ended for %v", attachment, lockTimeout)
		default:
			err = problem(types.ErrIOFailure, "%v", fmt.Errorf("lock %s: %w", path, err))
		}
		unix.Close(fd)
		return nil, err
	}
}
