package encap

// Frame sizes in bytes.
const (
	// MaxFrame is the most that one Frame's bytes can be: a superframe of 64 KB of
	// IP packet with its Ethernet header and two VLAN tags.
	MaxFrame = 65535 + EthernetSize + 2*VLANTagSize
	// ReadBuffer is the room to read a frame into: the header that a driver may have before
	// it, and a byte behind the longest, which shows that one was longer.
	ReadBuffer = VirtioHeaderSize + MaxFrame + 1
	// Headroom is what a worker keeps free before each frame that it reads, so that
	// an encapsulation header can be put before the frame without a copy: a sealed
	// header and a VXLAN header.
	Headroom = 24
)

// Frame is one Ethernet frame on its way between a port and a worker, without FCS.
// A superframe, up to 64 KB long, is one Frame.
type Frame struct {
	// Data is the frame, or its beginning when More is set. It always holds every
	// header up to the transport payload. For a read, the caller sets Data to the
	// buffer to fill, and the port shortens it to what it filled.
	Data []byte
	// More continues Data: slices of payload that are written gathered. A read
	// leaves it nil.
	More [][]byte
	// Offload is what is left to do on the frame.
	Offload Offload
	// Refusal is set by a port that read the frame and does not have it carried.
	Refusal Refusal
}

// Len returns the length of the frame in bytes, More included.
func (f *Frame) Len() int {
	n := len(f.Data)
	for _, b := range f.More {
		n += len(b)
	}
	return n
}
