package dataplane

import "golang.org/x/sys/unix"

// yield lets other threads run. It is the kernel's, as the worker's thread is its own;
// a system call that the Go scheduler knows of, as others may run for a while.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
