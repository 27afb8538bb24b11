// Package packet makes a port of an Ethernet interface that the system has: what comes
// in from its wire is read from a [Queue], and what is written to a Queue goes out to its
// wire. So the machines behind a network card, a bridge or a veth are on an overlay
// without running anything.
//
// It is on AF_PACKET and on Linux only. Frames cross with a virtio header
// (PACKET_VNET_HDR): the stack of a container or of a virtual machine on this host hands
// over superframes and leaves checksums to be finished, and network cards merge what they
// receive. VLAN tags, which the kernel takes off, are put back. Superframes inside a tunnel of
// a container's are cut up; those for which there is no virtio header, as of SCTP, are lost and
// counted as drops, unless their sender does without (ethtool -K eth0 tx-sctp-segmentation off).
//
// The interface is promiscuous while the device is open. What the system itself sends through
// it is not read, and what comes from the wire goes to the system too, as to any interface.
// So an interface that is to be a port and nothing else has no addresses.
package packet
