//go:build !unix

package store

// syncDir does nothing: the system does not sync directories.
func syncDir(string) error { return nil }
