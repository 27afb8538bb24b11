package underlay

import (
	"fmt"
	"math/bits"
	"net/netip"
)

// Sizes that a zero [Config] stands for.
const (
	// DefaultSources is how many source-port sockets are opened (RFC 7348 section 5
	// recommends the port as entropy; 16 spread well over any ECMP group in use).
	DefaultSources = 16
	// DefaultReceiveBuffer in bytes holds 3 ms of 10 Gbit/s: the time that a worker
	// may be kept from its core.
	DefaultReceiveBuffer = 4 << 20
	// DefaultSendBuffer in bytes, per socket, holds some trains of 64 KB, and less than
	// a tenth of a second on a 100 Mbit/s link.
	DefaultSendBuffer = 1 << 20
)

// MaxQueues is the most queues that one port is shared by: at most as many as a sealed
// counter has room for.
const MaxQueues = 16

// maxSources is the most that the dataplane's contract allows per queue.
const maxSources = 16

// Source ports are taken from the range that RFC 7348 section 5 recommends.
const (
	firstSourcePort = 49152
	lastSourcePort  = 65535
)

// Config is what to open. Only Local has to be set.
type Config struct {
	// Local is the address and port that the VTEP receives at and answers from: an
	// address of this host, neither unspecified nor multicast. Port 0 lets the system
	// choose one. A link-local address names its interface as the zone; the zones of
	// remotes are ignored then, since they cannot be any other.
	Local netip.AddrPort
	// Sources is the number of source-port sockets, a power of two up to 16. 0 stands
	// for DefaultSources; -1 is none, everything is sent from the listening socket (NAT).
	Sources int
	// ReceiveBuffer of the listening socket in bytes; 0 stands for DefaultReceiveBuffer.
	// See [Socket.ReceiveBuffer] for what was granted.
	ReceiveBuffer int
	// SendBuffer of each socket in bytes; 0 stands for DefaultSendBuffer.
	SendBuffer int
	// NoOffload has the Linux driver do without UDP_SEGMENT and UDP_GRO: every datagram
	// crosses the sockets by itself, still many to a system call. The kernel then cuts
	// what arrives as a train, and a kernel VTEP's superframe of inner UDP, before it is
	// received.
	NoOffload bool
	// Portable asks for the portable driver where there is a better one.
	Portable bool
}

// withDefaults returns c with its zero values filled in, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Local = netip.AddrPortFrom(c.Local.Addr().Unmap(), c.Local.Port())
	switch a := c.Local.Addr(); {
	case !a.IsValid():
		return c, fmt.Errorf("underlay: no local address given")
	case a.IsUnspecified(), a.IsMulticast():
		return c, fmt.Errorf("underlay: a VTEP cannot answer from %v; choose one address of this host as --local", a)
	case a.IsLinkLocalUnicast() && a.Is6() && a.Zone() == "":
		return c, fmt.Errorf("underlay: link-local address %v needs its interface: %v%%eth0", a, a)
	}
	switch {
	case c.Sources == 0:
		c.Sources = DefaultSources
	case c.Sources == -1:
		c.Sources = 0
	case c.Sources < 0, c.Sources > maxSources, bits.OnesCount(uint(c.Sources)) != 1:
		return c, fmt.Errorf("underlay: %d source ports: want a power of two up to %d, or -1 for none", c.Sources, maxSources)
	}
	if c.ReceiveBuffer < 0 || c.SendBuffer < 0 {
		return c, fmt.Errorf("underlay: socket buffers of %d and %d bytes: want positive sizes", c.ReceiveBuffer, c.SendBuffer)
	}
	if c.ReceiveBuffer == 0 {
		c.ReceiveBuffer = DefaultReceiveBuffer
	}
	if c.SendBuffer == 0 {
		c.SendBuffer = DefaultSendBuffer
	}
	return c, nil
}
