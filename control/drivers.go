package control

import (
	"context"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// Drivers makes the devices and sockets of an agent.
type Drivers struct {
	// OpenUnderlay opens the UDP side of the node. If the spec leaves the number of
	// queues open, it decides.
	OpenUnderlay func(NodeSpec) (*Underlay, error)
	// OpenDevice makes the device of a port, of the kind that its spec names. Every field of
	// the spec is filled in.
	OpenDevice func(DeviceSpec) (*Device, error)
	// CheckName says why the system has no device of that name; nil if all are fine.
	CheckName func(string) error
	// NewPoller makes what a worker of a node waits for devices with.
	NewPoller func(NodeSpec) (dataplane.Poller, error)
	// UnderlayMTU returns the MTU of the interface that carries an address.
	UnderlayMTU func(netip.Addr) (int, error)
}

// DeviceSpec describes a device to be made: the one of a port, whose namespace is in NetNS.
type DeviceSpec struct {
	PortSpec
	// Locals are the addresses that tunnels go from, which an interface that the host has
	// must not carry.
	Locals  []netip.Addr
	Queues  int
	Offload Offload
}

// Device is a device that was made.
type Device struct {
	Name     string
	MAC      encap.MAC
	MTU      int
	Queues   []dataplane.Queue
	Driver   string                 // for people
	Drops    func() (uint64, error) // frames that the kernel dropped, as the ring was full
	Offloads func() []Feature
	SetMTU   func(int) error // nil if it cannot be changed
	// Now reads the MAC, if there is one, and the MTU that it has by now; nil if the driver
	// cannot.
	Now   func() (mac encap.MAC, mtu int, err error)
	Close func() error // removes it
	// Index is that of an interface that the host had before, and MTUChanged says that its MTU
	// is another now; nil if the device is none.
	Index      uint32
	MTUChanged func(mtu int)
	// Follow waits until whoever took an interface that was handed over has brought it up,
	// and returns the name that it has there; nil if the driver cannot tell.
	Follow func(context.Context) (name string, err error)
	// Unordered is why a flow may change its queue, and so overtake itself; nil if none
	// does.
	Unordered error
	// Notes is what a user ought to know about it, a line each.
	Notes []string
}

// Underlay is the opened UDP side of a node.
type Underlay struct {
	Queues []dataplane.Underlay
	Paths  dataplane.Paths // nil if there is nobody to ask
	Driver string          // for people
	// ReceiveBuffer is what the kernel gave a socket, and what it was asked for, in
	// bytes.
	ReceiveBuffer, ReceiveBufferWanted int
	// BusyPoll is how long a busy worker looks for more before it sleeps; 0 is not at all.
	BusyPoll time.Duration
	Features []Feature
	// SourcePorts are the UDP ports that each queue sends from, by [encap.Datagram.Source].
	SourcePorts [][]uint16
	// Join hears a multicast group on an interface, whose index it returns, until leave is
	// called.
	Join func(group netip.Addr, device string) (index uint32, leave func() error, err error)
	// Watch tells what becomes of the interface and the routes; nil if nobody does.
	Watch UnderlayWatch
	// AllowNoChecksum readies the queues to send datagrams without UDP checksums.
	AllowNoChecksum func() error
}

// Feature is something a driver can make use of where the system has it.
type Feature struct {
	Name    string
	InForce bool
	Why     string // if not in force
}
