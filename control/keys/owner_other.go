//go:build !unix

package keys

import "io/fs"

// checkOwner has nothing to say where neither modes nor owners say who may read a file.
func checkOwner(string, fs.FileInfo) error { return nil }
