//go:build unix

package keys

import (
	"fmt"
	"io/fs"
)

// checkMode refuses a file whose group or others may read it, and also one that they may
// write: who can put a key there can be anyone.
func checkMode(path string, mode fs.FileMode) error {
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("%s holds a secret, and others than its owner may use it (mode %04o): run chmod 600 %s", path, mode.Perm(), path)
	}
	return nil
}
