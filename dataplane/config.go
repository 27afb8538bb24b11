package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// Defaults of a VTEP and its networks.
const (
	DefaultPort    = 4789 // IANA, RFC 7348 section 8
	DefaultTTL     = 64
	DefaultAgeing  = 300 * time.Second // IEEE 802.1Q, and Linux
	DefaultMaxMACs = 65536

	defaultMTU  = 1500 // of Ethernet
	maxIPPacket = 65535
)

// Config describes a VTEP.
type Config struct {
	// Local is this VTEP's underlay address. Remotes are of its family, and never it.
	Local netip.Addr
	// Port is the UDP port on which other VTEPs listen; 0 means DefaultPort.
	Port uint16
	// Underlays are the queues of the UDP side; at least one. There are as many workers
	// in each direction as there are queues. The VTEP closes them.
	Underlays []Underlay
	// MTU is that of the interface with Local, in bytes of IP packet; 0 means 1500. See
	// [VTEP.SetMTU].
	MTU int
	// Paths tells which remotes a narrower link leads to; nil if nobody can. The VTEP
	// closes it.
	Paths Paths
	// NewPoller makes what an out-worker waits with; called once per worker.
	NewPoller func() (Poller, error)
	// BusyPoll is how long a worker that was just busy looks for more before it sleeps,
	// letting others have the CPU between looks; 0 means not at all. It shortens round
	// trips, and makes a worker with some thousand wake-ups a second use its CPU's idle
	// time. Workers that do so also have a nice value of -10 while they live, where Linux allows
	// that and the process was given none.
	BusyPoll time.Duration
	// Sealing is this VTEP's identity and how it keeps its sessions, nil if it is to have
	// no sealed networks. Open fills in Local, Queues and Wake. See [VTEP.Node].
	Sealing *crypto.Config
	// FlowSeed seeds the hash from which source ports are chosen; 0 means random.
	FlowSeed uint64
	// Events receives what happened to the VTEP; nil if nobody listens. It is called for
	// one event at a time, on a goroutine of its own: the VTEP goes on whatever it does. Events
	// for which it is too slow are left out, but for failures, and counted in the next. Close
	// waits a second for it, and must not be called by it.
	Events func(Event)
}

// NetworkConfig describes one overlay network on a VTEP.
type NetworkConfig struct {
	VNI encap.VNI
	// Sealed: frames are encrypted, and taken from authenticated peers only. It never
	// falls back to clear text.
	Sealed bool
	// Peers are the members of a sealed network, peers of the VTEP's node. Its remotes are
	// among them.
	Peers []*crypto.Peer
	// Remotes is the initial flood list: VTEPs that receive a copy of every
	// broadcast, unknown unicast and multicast frame. A port of 0 means the VTEP's.
	Remotes []netip.AddrPort
	// Group is a multicast group that is flooded to, beside Remotes, at the VTEP's port; invalid
	// is none. It leaves by the interface with the index GroupInterface. A network that is
	// closed or sealed has none. The underlay is to hear it.
	Group          netip.Addr
	GroupInterface uint32
	// NoChecksum: datagrams have no outer UDP checksum, and each is sent by itself. ChecksumTo
	// says otherwise, or so, of single VTEPs and the group. The underlay is to allow it. What
	// is sealed has checksums.
	NoChecksum bool
	ChecksumTo map[netip.Addr]bool
	// Release is called once, when the network is removed or could not be added; nil if
	// nothing was made for it.
	Release func() error
	// NoLearning: source MACs behind remotes are not learned.
	NoLearning bool
	// Closed: only remotes of the flood list and of static or controlled entries are
	// heard.
	Closed bool
	// MSSClamp: TCP connections through the tunnel announce no larger segments than fit.
	MSSClamp bool
	// Ageing is how long a learned MAC is kept after its last frame; 0 means
	// DefaultAgeing, negative means for ever.
	Ageing time.Duration
	// MaxMACs bounds the learned entries; 0 means DefaultMaxMACs.
	MaxMACs int
	// TTL is the outer TTL or hop limit; 0 means DefaultTTL.
	TTL uint8
	// TOS is the outer TOS or traffic class if FixedTOS; its two ECN bits are ignored,
	// they always follow RFC 6040. Otherwise the DSCP is the inner packet's.
	TOS      uint8
	FixedTOS bool
	// ReservedBits are bits of the VXLAN header, first byte highest, that received
	// headers may have set. The I flag and the VNI are not affected.
	ReservedBits uint64
}

// PortConfig describes one port of a network: a device whose frames the VTEP carries.
type PortConfig struct {
	// Name names the port in listings and is unique in its network.
	Name string
	// MAC is the device's own address, zero if it has none. Frames to it go to this
	// port, and frames with it as their source are refused from the tunnel.
	MAC encap.MAC
	// MTU is the device's, in bytes of IP packet; 0 if it is not known.
	MTU int
	// Queues are read by the out-worker of the same index; as many as the VTEP has
	// workers.
	Queues []Queue
	// Close releases the device, after the last use of its queues.
	Close func() error
}

// Errors that callers can act on.
var (
	ErrExists   = errors.New("already exists")
	ErrNotFound = errors.New("not found")
	ErrClosed   = errors.New("vtep is closed")
)

// Event is something that happened to a VTEP without being asked for. It is one of:
//   - a port of network VNI failed and was taken out;
//   - the route to Remote takes no trains of datagrams, so that each is sent by itself:
//     nothing is lost but speed, and it is told once of each remote;
//   - the path to Remote has become narrower, or less narrow, than it was: PathMTU;
//   - the route to Remote is another, and what was known of the path is forgotten: Rerouted;
//   - MAC on network VNI moved to and fro between remotes, and is held where it was before, for a while;
//   - a worker ended, and the VTEP with it, if Port, Remote and MAC are unset.
type Event struct {
	VNI    encap.VNI
	Port   string
	Remote netip.AddrPort
	MAC    encap.MAC
	Err    error

	PathMTU  int // in bytes of IP packet
	Rerouted bool

	// Missed is how many events before this one were left out.
	Missed uint64
}

// isFailure reports whether a port failed, or a worker.
func (e *Event) isFailure() bool { return e.MAC.IsZero() && !e.Remote.IsValid() }

// limitedBroadcast is everybody on the link (RFC 919 section 7).
var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// CheckRemote says whether addr can be a remote of a VTEP at local.
func CheckRemote(local, addr netip.Addr) error {
	switch {
	case !addr.IsValid() || addr.IsUnspecified():
		return fmt.Errorf("remote %v is no address of a host", addr)
	case addr == limitedBroadcast:
		return fmt.Errorf("remote %v is the broadcast address: a remote is one host", addr)
	case addr.IsMulticast():
		return fmt.Errorf("remote %v is a multicast group: a remote is one host", addr)
	case addr.Is4() != local.Is4():
		return fmt.Errorf("remote %v and local %v are of different address families", addr, local)
	case addr.WithZone("") == local.WithZone(""):
		return fmt.Errorf("remote %v is our own address", addr)
	}
	return nil
}

func (c *Config) check() error {
	switch {
	case !c.Local.IsValid() || c.Local.IsUnspecified() || c.Local.IsMulticast():
		return fmt.Errorf("local %v is no address of a host", c.Local)
	case c.Local.Is4In6():
		return fmt.Errorf("local %v: write IPv4 addresses plainly", c.Local)
	case len(c.Underlays) == 0:
		return errors.New("a vtep needs at least one underlay queue")
	case c.NewPoller == nil:
		return errors.New("a vtep needs a poller")
	case c.Sealing != nil && len(c.Underlays) > crypto.MaxQueues:
		return fmt.Errorf("%d queues: with sealed networks at most %d", len(c.Underlays), crypto.MaxQueues)
	}
	return nil
}

func (c *NetworkConfig) check() error {
	if !c.VNI.Valid() {
		return fmt.Errorf("bad VNI %d: want a number from 1 to %d", c.VNI, encap.MaxVNI)
	}
	if c.MaxMACs < 0 {
		return fmt.Errorf("bad limit of learned MACs %d: want a positive number", c.MaxMACs)
	}
	if len(c.Peers) > 0 && !c.Sealed {
		return fmt.Errorf("network %d has peers but is not sealed", c.VNI)
	}
	return nil
}

// release gives back what was made for the network.
func (c *NetworkConfig) release() error {
	if c.Release == nil {
		return nil
	}
	return c.Release()
}

func (c *NetworkConfig) fill() {
	if c.Ageing == 0 {
		c.Ageing = DefaultAgeing
	}
	if c.MaxMACs == 0 {
		c.MaxMACs = DefaultMaxMACs
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
}
