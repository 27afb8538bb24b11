// Package tap opens TAP devices: Ethernet interfaces of the system whose wire is this
// process. What the system sends through the interface is read from a [Queue], and
// what is written to a Queue the system receives.
//
// There are two drivers behind one type. On Linux frames cross with a virtio header
// (vnet_hdr) that says what is left to do on them, both ways: to finish a checksum, to
// cut a superframe. The portable driver, on songgao/water, moves one complete frame a call;
// it serves where water knows the system, and on Linux when offloads are not wanted.
//
// On Linux the interface is set up over netlink, in any network namespace, and can be
// moved to another while it runs. A [Device] is never persistent: it ends with the
// process, however that ends.
//
// A [Poller] waits for many queues at once.
package tap
