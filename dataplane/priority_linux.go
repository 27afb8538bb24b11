package dataplane

import "golang.org/x/sys/unix"

// workerNice is the nice value of workers' threads, that of Open vSwitch's too. In the kernel
// their work is done in softirqs, before any program gets its turn; a worker that waits for
// one loses frames, since a TAP has no back-pressure.
const workerNice = -10

// raisePriority gives the calling thread workerNice, and reports whether it did: not if the
// process was given a nice value itself, or may not (CAP_SYS_NICE).
func raisePriority() bool {
	const none = 20 // what getpriority(2) returns for 0
	got, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	return err == nil && got == none && unix.Setpriority(unix.PRIO_PROCESS, 0, workerNice) == nil
}

// lowerPriority takes back what raisePriority did, which everybody may.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0) }
