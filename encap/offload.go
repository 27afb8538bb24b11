package encap

// GSO says how a superframe is to be cut into wire-size frames.
type GSO uint8

const (
	GSONone GSO = iota // not a superframe
	GSOTCP4            // TCP over IPv4
	GSOTCP6            // TCP over IPv6
	GSOUDP             // UDP datagrams of equal length, over IPv4 or IPv6 (USO)
)

// Offload is the work on a frame that its sender left to whoever puts it on a wire:
// finishing a checksum, and cutting a superframe into segments. It says what a
// virtio_net_hdr says (virtio 1.2 section 5.1.6), free of its layout. The zero
// Offload is a frame with nothing left to do.
//
// Offsets count bytes from the start of the Ethernet header.
type Offload struct {
	// NeedsCSUM: the checksum field at CSUMStart+CSUMOffset holds the folded sum of
	// the pseudo-header, not complemented; the sum from CSUMStart to the end of the
	// packet is to be added. Always set when GSO is.
	NeedsCSUM bool
	// ECN: the TCP superframe carries CWR, which belongs in its first segment only (RFC
	// 3168 section 6.1.2: once a window). Without it CWR goes into all: it is part of a
	// counter then, that two values in a train would have jump (AccECN, RFC 9768), and
	// whoever hears it in the older sense more than once does what it did the first time.
	ECN        bool
	GSO        GSO
	CSUMStart  uint16 // offset of the transport header
	CSUMOffset uint16 // of the checksum field within it: 16 TCP, 6 UDP
	HeaderLen  uint16 // bytes of all headers up to the transport payload; with GSO
	// SegmentSize is the transport payload of each segment in bytes, the last may be
	// shorter; with GSO, never 0.
	SegmentSize uint16
}

// OffloadSet says which offloads a port takes on the frames written to it. The zero
// set is a port that takes complete, wire-size frames only.
type OffloadSet uint8

const (
	OffloadCSUM OffloadSet = 1 << iota // NeedsCSUM
	OffloadTSO                         // GSOTCP4 and GSOTCP6
	OffloadUSO                         // GSOUDP
)

// Takes reports whether a frame with offload o can be written as it is.
func (s OffloadSet) Takes(o Offload) bool {
	switch {
	case o.GSO == GSOTCP4 || o.GSO == GSOTCP6:
		return s&OffloadTSO != 0
	case o.GSO == GSOUDP:
		return s&OffloadUSO != 0
	}
	return !o.NeedsCSUM || s&OffloadCSUM != 0
}
