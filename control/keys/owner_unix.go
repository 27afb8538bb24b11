//go:build unix

package keys

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses a file whose group or others may read it, and also one that they may
// write: who can put a key there can be anyone. That can its owner, too, who has to be root
// or whom this process runs as.
func checkOwner(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s holds a secret, and others than its owner may use it (mode %04o): run chmod 600 %s", path, mode, path)
	}
	us := os.Geteuid()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != us {
		return fmt.Errorf("%s holds a secret, and belongs to user %d, neither to root nor to us: run chown %d %s", path, stat.Uid, us, path)
	}
	return nil
}
