package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// demoPrefix begins the names of everything that a demo leaves in a file system.
const demoPrefix = "vxtap-demo-"

// namedNamespaces is where namespaces have names, for iproute2 and here.
const namedNamespaces = "/run/netns"

// demoRoom is the directory of one demo, for its sockets. The names of its namespaces
// begin with the directory's.
//
// The directory is locked for as long as the demo lives, and the kernel drops the lock
// however it ends. So the next demo knows what one that was killed left behind, and
// removes it.
type demoRoom struct {
	dir  string
	lock *os.File // dir, open and locked
}

// roomBases are where rooms may be, the best first: /run, since who may not write there
// may not name namespaces either.
func roomBases() []string { return []string{"/run", os.TempDir()} }

// newDemoRoom removes what dead demos left, and makes a room.
func newDemoRoom() (room *demoRoom, err error) {
	for _, base := range roomBases() {
		if err := sweepRooms(base); err != nil {
			return nil, err
		}
	}
	for _, base := range roomBases() {
		if room, err = makeRoom(base); err == nil {
			return room, nil
		}
	}
	return nil, fmt.Errorf("make a directory for sockets: %w", err)
}

// makeRoom makes and locks a new directory in base. The tag in its name is short, since
// users read it and type it; so it may be taken.
func makeRoom(base string) (*demoRoom, error) {
	for {
		var tag [2]byte
		rand.Read(tag[:])
		dir := filepath.Join(base, demoPrefix+hex.EncodeToString(tag[:]))
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		room, err := claimRoom(dir)
		if err != nil || room != nil {
			return room, err
		}
		// Another demo took it for a dead one's before it was locked.
	}
}

// claimRoom locks a directory of this user. It returns nil if that is another's, in use,
// or gone.
func claimRoom(dir string) (*demoRoom, error) {
	// In /tmp, others can put anything in the place of a directory.
	lock, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !isOwnFile(dir, lock) {
		lock.Close()
		return nil, nil
	}
	return &demoRoom{dir, lock}, nil
}

// isOwnFile reports whether f is this user's, and still what stands at path.
func isOwnFile(path string, f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(path)
	if err != nil || !os.SameFile(open, now) {
		return false
	}
	stat, ok := open.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// name is what names of namespaces begin with, before a dash.
func (r *demoRoom) name() string { return filepath.Base(r.dir) }

// close removes what is left in the room and of its namespaces, and unlocks it last.
func (r *demoRoom) close() error {
	defer r.lock.Close()
	return errors.Join(removeNamespaces(r.name()), os.RemoveAll(r.dir))
}
