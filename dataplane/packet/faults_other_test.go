//go:build !linux

package packet_test

// serveFaults is for Linux.
func serveFaults() {}
