package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sweepRooms removes the rooms in base that dead demos left: those that can be locked. If
// two demos do so at once, one of them gets the lock and the other looks away.
func sweepRooms(base string) error {
	dirs, err := filepath.Glob(filepath.Join(base, demoPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for dead demos in %s: %w", base, err)
	}
	for _, dir := range dirs {
		room, err := claimRoom(dir)
		if err == nil && room != nil {
			err = room.close()
		}
		if err != nil {
			return fmt.Errorf("remove what a dead demo left in %s: %w", dir, err)
		}
	}
	return nil
}

// removeNamespaces takes the names of a room's namespaces away. The kernel then frees
// those that nobody uses. A shell that a user has open in one keeps it, empty of vxtap.
func removeNamespaces(room string) error {
	entries, err := os.ReadDir(namedNamespaces)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), room+"-") {
			continue
		}
		path := filepath.Join(namedNamespaces, entry.Name())
		// It is not mounted if the demo died in between, or if the mount was another
		// mount namespace's.
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", path, err))
			continue
		}
		// The first "ip netns add" of a machine mounts this directory over itself, and may
		// have covered the demo's own mount, which holds the name until the machine ends.
		// No demo needs it.
		if err := os.Remove(path); err != nil && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
