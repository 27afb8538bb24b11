// Package mem holds ports and underlays in memory, so that whole VTEPs run in one
// process: in tests, in simulations and in benchmarks, without root and without
// Linux.
//
// A [Port] is a TAP queue whose far side is the caller: what the caller injects, the
// dataplane reads, and what the dataplane writes, the caller receives. A [Network]
// is the wire between [Underlay]s, perfect or impaired: late, lossy, out of order,
// seeded so that it happens the same way again. A [Poller] waits for ports.
//
// Everything that waits does so on channels, conditions and timers. Made inside a
// testing/synctest bubble, it all runs in virtual time.
//
// Buffers are recycled: once warm, reading, writing, sending and receiving allocate
// nothing, so that what a benchmark over mem measures is the code between.
package mem
