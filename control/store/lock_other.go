//go:build !unix || aix || solaris

package store

import (
	"errors"
	"os"
)

// errLocked is never returned here.
var errLocked = errors.New("locked")

// lockFile does not lock on systems without flock: there, two agents must not be given the
// same directory.
func lockFile(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) }
