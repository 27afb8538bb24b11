package tap

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// DefaultTxQueueLen is the length in frames of the ring in which the kernel keeps
// what was not read yet. A TAP has no back-pressure: a full ring drops. Linux gives it
// 500. Where worker, sender and receiver share two cores, a worker waits for several
// scheduler slices of 3 ms in a row, and 2048 frames were lost at 200 000 small ones a
// second; 8192 hold 27 ms of 300 000. What waits in it is bounded by TCP's windows, not
// by a longer ring.
const DefaultTxQueueLen = 8192

// maxQueues is the kernel's MAX_TAP_QUEUES.
const maxQueues = 256

// Config says how a TAP or TUN device is to be made. The zero Config is a device with one
// queue whose name, MAC and MTU the system chooses, without addresses.
type Config struct {
	// Name is the interface's name, on Linux at most 15 bytes. Empty: the system
	// chooses (tap0, tap1, ...). On Windows it selects an adapter by its friendly name.
	Name string
	// TUN makes a device that carries IP packets. They are read and written as Ethernet
	// frames all the same, whose addresses are zero when read and ignored when written.
	TUN bool
	// MTU is the largest IP packet in bytes, 68 to 65521. 0: the system's, 1500.
	MTU int
	// MAC is the address of the system's end. Zero: the system's choice, on Linux a
	// random one. A TUN has none; on Linux, its link-local address is made from it, as a
	// TAP's is.
	MAC encap.MAC
	// Addresses are given to the interface with their prefix lengths. IPv6 addresses
	// skip duplicate address detection, so that they can be used at once. None: none.
	Addresses []netip.Prefix
	// Routes lead out through the interface, in its namespace. A default route that is
	// there already is none of ours, and stays: then making one fails. Linux only.
	Routes []Route
	// TxQueueLen is the kernel's ring before each queue, in frames.
	// 0: [DefaultTxQueueLen].
	TxQueueLen int
	// NetNS is the network namespace for the interface, a name under /run/netns or a
	// path. Empty: the one that the calling thread is in. Linux only.
	NetNS string
	// Down leaves the interface down and without addresses, for somebody who takes it to a
	// namespace of his own and brings it up there: see [Device.Follow]. Linux only.
	Down bool
	// Queues is the number of queues, 1 to 256. 0: one.
	Queues int
	// NoOffload has the Linux driver move complete frames of wire size only, both ways.
	NoOffload bool
	// Portable asks for the driver on songgao/water, without offloads. Outside Linux
	// there is no other, and Portable changes nothing.
	Portable bool
}

// Route leads to destinations through the interface.
type Route struct {
	To  netip.Prefix
	Via netip.Addr // the gateway; invalid if the destinations are on the link
}

// check refuses what no system could do, before one is asked.
func (c *Config) check() error {
	if c.MTU != 0 && (c.MTU < encap.MinMTU || c.MTU > encap.MaxMTU) {
		return fmt.Errorf("bad MTU %d: want %d to %d", c.MTU, encap.MinMTU, encap.MaxMTU)
	}
	if c.MAC.IsMulticast() {
		return fmt.Errorf("bad MAC %s: an interface cannot have a multicast address", c.MAC)
	}
	if c.TxQueueLen < 0 {
		return fmt.Errorf("bad queue length %d: want a number of frames", c.TxQueueLen)
	}
	if c.Queues < 0 || c.Queues > maxQueues {
		return fmt.Errorf("bad number of queues %d: want 1 to %d", c.Queues, maxQueues)
	}
	if c.Down && len(c.Addresses)+len(c.Routes) > 0 {
		return errors.New("an interface that is left down has no addresses and routes")
	}
	for _, r := range c.Routes {
		if !r.To.IsValid() || r.Via.IsValid() && r.Via.Is4() != r.To.Addr().Is4() {
			return fmt.Errorf("bad route to %v via %v: want a prefix, and a gateway of its family", r.To, r.Via)
		}
	}
	for _, p := range c.Addresses {
		if !p.IsValid() || p.Addr().Is4In6() || p.Addr().IsMulticast() {
			return fmt.Errorf("bad address %s: want a unicast address with its prefix length, like 192.168.77.1/24", p)
		}
	}
	return nil
}

// kind is what to call the device.
func (c *Config) kind() string {
	if c.TUN {
		return "TUN"
	}
	return "TAP"
}

// skipped is how many bytes of each frame do not cross to the system.
func (c *Config) skipped() int {
	if c.TUN {
		return encap.EthernetSize
	}
	return 0
}

// withDefaults returns c with the numbers that zero stands for.
func (c Config) withDefaults() Config {
	c.Queues = max(c.Queues, 1)
	if c.TxQueueLen == 0 {
		c.TxQueueLen = DefaultTxQueueLen
	}
	return c
}
