package encap

import "net/netip"

// Datagram is one UDP datagram of the underlay, or a train: datagrams equal in
// length (the last may be shorter), remote, source socket, TOS and TTL, that cross
// the socket in one piece (UDP_SEGMENT, UDP_GRO).
type Datagram struct {
	// Data is the UDP payload, or its beginning when More is set. To receive, the
	// caller sets Data to the buffer to fill, and the underlay shortens it.
	Data []byte
	// More continues Data: slices that are sent gathered. Receiving leaves it nil.
	More [][]byte
	// Remote is where the datagram goes to or came from. IPv4 addresses are plain,
	// never mapped into IPv6.
	Remote netip.AddrPort
	// SegmentSize is the length of each datagram of a train in bytes, 0 if there is
	// only one. On receipt it is what the kernel said, which for a superframe from a
	// kernel VTEP is the size of the inner payload and not of a datagram; the
	// receiver tells them apart by the inner lengths.
	SegmentSize uint16
	// Source selects the source-port socket to send from: [0, Sources) are bound to
	// ephemeral ports, and SourceListen is the listening socket. Not set on receipt.
	Source uint8
	// TOS is the outer IPv4 TOS or IPv6 traffic class, DSCP and ECN.
	TOS uint8
	// TTL is the outer TTL or hop limit; 0 when sending leaves it to the system.
	TTL uint8
	// Interface is the index of the interface by which what is sent to a multicast group
	// leaves; 0 leaves it to the system. Not set on receipt.
	Interface uint32
	// NoChecksum sends a datagram, no train, without a UDP checksum, from a source port of
	// its own. Not set on receipt.
	NoChecksum bool
	// MayFragment: it may be fragmented on its way, where other datagrams are refused as too
	// big. Underlays that cannot have that send it as any other. Not set on receipt.
	MayFragment bool
	// Truncated: the datagram was longer than the buffer. Set on receipt only.
	Truncated bool
}

// MaxSources is how many source-port sockets a queue of an underlay has at most.
const MaxSources = 16

// SourceListen as [Datagram.Source] sends from the listening socket.
const SourceListen = 0xff

// Len returns the length of the payload in bytes, More included.
func (d *Datagram) Len() int {
	n := len(d.Data)
	for _, b := range d.More {
		n += len(b)
	}
	return n
}
