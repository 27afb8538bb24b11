package control

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// NodeSpec is what a user asks of the node as a whole.
type NodeSpec struct {
	// Local is the underlay address that the VTEP answers from.
	Local netip.Addr
	// Port is the UDP port of this VTEP and, unless they say otherwise, of its remotes;
	// 0 means 4789.
	Port uint16
	// Portable uses the portable drivers, one frame a system call.
	Portable bool
}

// NetworkSpec is what a user asks of one overlay network.
type NetworkSpec struct {
	dataplane.NetworkConfig
	// TAP is the name of the network's device on this node; empty means vx<VNI>.
	TAP string
	// NetNS is the namespace for the device, a name or a path; empty means the agent's.
	NetNS string
	// Addresses are put on the device.
	Addresses []netip.Prefix
	// MTU of the device in bytes of IP packet; 0 means what the underlay leaves.
	MTU int
	// MAC of the device; zero derives it from its first address, or else from the
	// node's, so that it is the same after a restart.
	MAC encap.MAC
	// Static are table entries to begin with.
	Static []StaticEntry
}

// StaticEntry sends a MAC's frames to a VTEP. A port of 0 means the node's.
type StaticEntry struct {
	MAC    encap.MAC
	Remote netip.AddrPort
}

// MTU bounds in bytes of IP packet: IPv4's smallest (RFC 791), and Linux's largest.
const (
	minMTU = 68
	maxMTU = 65521
)

// maxTAPName is the longest name of an interface in bytes (IFNAMSIZ - 1).
const maxTAPName = 15

// Check says what is wrong with the node's part, before anything is touched.
func (s *NodeSpec) Check() error {
	switch {
	case !s.Local.IsValid():
		return errors.New("no local address: give the underlay address of this host with --local")
	case s.Local.IsUnspecified() || s.Local.IsMulticast():
		return fmt.Errorf("local address %v is no address of a host", s.Local)
	}
	return nil
}

// Check says what is wrong with the network's part on that node.
func (s *NetworkSpec) Check(node NodeSpec) error {
	if s.VNI == 0 {
		return errors.New("no VNI: give the network's identifier with --vni")
	}
	if !s.VNI.Valid() {
		return fmt.Errorf("bad VNI %d: want a number from 1 to %d", s.VNI, encap.MaxVNI)
	}
	if len(s.TAP) > maxTAPName {
		return fmt.Errorf("interface name %q is too long: at most %d bytes", s.TAP, maxTAPName)
	}
	if s.MTU != 0 && (s.MTU < minMTU || s.MTU > maxMTU) {
		return fmt.Errorf("bad MTU %d: want auto, or a number from %d to %d", s.MTU, minMTU, maxMTU)
	}
	if s.MAC.IsMulticast() {
		return fmt.Errorf("MAC %v is a group address: an interface needs one of its own", s.MAC)
	}
	if s.Ageing > 0 && s.Ageing < time.Second {
		return fmt.Errorf("bad ageing time %v: want at least 1s, or 0 to keep entries for ever", s.Ageing)
	}
	for _, r := range s.Remotes {
		if err := dataplane.CheckRemote(node.Local, r.Addr()); err != nil {
			return err
		}
	}
	for _, e := range s.Static {
		if err := dataplane.CheckRemote(node.Local, e.Remote.Addr()); err != nil {
			return fmt.Errorf("table entry of %v: %w", e.MAC, err)
		}
	}
	return s.checkAddresses()
}

func (s *NetworkSpec) checkAddresses() error {
	for _, a := range s.Addresses {
		switch {
		case a.Addr().IsMulticast() || a.Addr().IsUnspecified():
			return fmt.Errorf("address %v is no address of a host", a)
		case s.MTU != 0 && s.MTU < 1280 && a.Addr().Is6():
			return fmt.Errorf("MTU %d with the IPv6 address %v: IPv6 needs at least 1280 (RFC 8200)", s.MTU, a)
		}
	}
	return nil
}

// deriveMAC gives a device an address that is the same after every restart.
func (s *NetworkSpec) deriveMAC(node NodeSpec) encap.MAC {
	switch {
	case !s.MAC.IsZero():
		return s.MAC
	case len(s.Addresses) > 0:
		return encap.MACFromAddr(s.Addresses[0].Addr())
	}
	return encap.MACFromAddr(node.Local)
}
