//go:build !linux

package underlay_test

// serveFaults is for Linux.
func serveFaults() {}
