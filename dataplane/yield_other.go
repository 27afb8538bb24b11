//go:build !linux

package dataplane

import "runtime"

// yield lets others run.
func yield() { runtime.Gosched() }
