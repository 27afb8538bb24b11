//go:build !linux

package tap_test

// serveFaults is for Linux.
func serveFaults() {}
