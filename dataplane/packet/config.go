package packet

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Config names the interface whose wire is to be a port.
type Config struct {
	// Interface is its name. IF.VLAN, where no interface is called so, is one VLAN on the
	// wire of the interface IF: frames with that tag are read, without it, and get it when
	// they are written. Otherwise frames keep the tags that they have on the wire.
	Interface string
	// Locals are the addresses of this host that tunnels go from. Whatever carries one is
	// refused: each datagram of the tunnel would be a frame of the port. Without any, any
	// interface will do.
	Locals []netip.Addr
	// Queues is the number of queues, 1 to 256. 0: one. A flow is read from one.
	Queues int
	// NoOffload has frames of wire size written, with their checksums finished. What is read
	// is as it comes in any case.
	NoOffload bool
}

// maxQueues is the kernel's PACKET_FANOUT_MAX of old.
const maxQueues = 256

func (c *Config) check() error {
	if c.Interface == "" {
		return fmt.Errorf("%w: no interface is named", ErrNotFound)
	}
	if c.Queues < 0 || c.Queues > maxQueues {
		return fmt.Errorf("bad number of queues %d: want 1 to %d", c.Queues, maxQueues)
	}
	return nil
}

// SplitVLAN takes a name like eth1.100 apart into an interface and a VLAN, 1 to 4094. It
// reports false for a name that does not end in one.
func SplitVLAN(name string) (base string, vlan uint16, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return name, 0, false
	}
	id, err := strconv.ParseUint(name[dot+1:], 10, 16)
	if err != nil || id < 1 || id > 4094 || name[dot+1] == '0' || name[dot+1] == '+' {
		return name, 0, false
	}
	return name[:dot], uint16(id), true
}
