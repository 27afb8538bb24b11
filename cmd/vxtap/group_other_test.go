//go:build !unix

package main

import "io/fs"

// groupID is the group of a file, of which there is none here.
func groupID(fs.FileInfo) int { return -1 }
