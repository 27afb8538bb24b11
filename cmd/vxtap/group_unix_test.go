//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// groupID is the group of a file.
func groupID(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Gid) }
