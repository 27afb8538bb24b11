package control

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// What can be seen to be wrong with a spec before anything is touched: whatever the host
// is like, it cannot be carried out. Every error carries the value and says what to do.

// Check says what is wrong with the node or any of its networks.
func (s *Spec) Check() error {
	if err := s.Node.Check(); err != nil {
		return err
	}
	for i := range s.Networks {
		if err := s.Networks[i].Check(s.Node); err != nil {
			return fmt.Errorf("network %d: %w", s.Networks[i].VNI, err)
		}
	}
	_, err := s.Clash()
	return err
}

// Clash returns the first network that stands in the way of one before it, and how, or a
// negative number.
func (s *Spec) Clash() (i int, err error) {
	for i := range s.Networks {
		n := &s.Networks[i]
		for j := range s.Networks[:i] {
			switch other := &s.Networks[j]; {
			case other.VNI == n.VNI:
				return i, fmt.Errorf("VNI %d is given twice: a network is described once", n.VNI)
			case n.sameDevice(other):
				return i, fmt.Errorf("device %s is that of network %d already: give one of them another name with tap", n.ownPort().Device, other.VNI)
			}
			if err := cmp.Or(n.sharesWire(&s.Networks[j]), s.Networks[j].sharesWire(n)); err != nil {
				return i, err
			}
		}
	}
	return -1, nil
}

// Check says what is wrong with the node's part.
func (s *NodeSpec) Check() error {
	switch {
	case !s.Local.IsValid():
		return errors.New("no local address: give the underlay address of this host with --local")
	case s.Other.IsValid() && s.Other.Is4() == s.Local.Is4():
		return fmt.Errorf("local addresses %v and %v are of the same family: give one IPv4 and one IPv6 address at most", s.Local, s.Other)
	}
	for _, one := range s.endpoints() {
		if err := cmp.Or(checkLocal(one.Local), one.checkSeal()); err != nil {
			return err
		}
	}
	return s.checkQueues()
}

func checkLocal(a netip.Addr) error {
	switch {
	case a.IsUnspecified() || a.IsMulticast():
		return fmt.Errorf("local address %v is no address of a host: give the underlay address of this host with --local", a)
	case a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "":
		return fmt.Errorf("local address %v is link-local: name its interface with --local %v%%eth0, if it is eth0", a, a)
	}
	return nil
}

func (s *NodeSpec) checkQueues() error {
	switch {
	case s.Queues < 0 || s.Queues > MaxQueues:
		return fmt.Errorf("bad number of queues %d: want one from 1 to %d", s.Queues, MaxQueues)
	case s.Queues > 1 && s.Offload.Portable():
		return fmt.Errorf("%d queues with --offload %v: the portable drivers have one; leave --queues out, or say --offload none", s.Queues, s.Offload)
	}
	return nil
}

// Check says what is wrong with the network's part on that node.
func (s *NetworkSpec) Check(node NodeSpec) error {
	node = node.facing(s)
	switch {
	case s.VNI == 0:
		return errors.New("no VNI: give the network's identifier with --vni")
	case !s.VNI.Valid():
		return fmt.Errorf("bad VNI %d: want a number from 1 to %d", s.VNI, encap.MaxVNI)
	case s.Ageing > 0 && s.Ageing < time.Second:
		return fmt.Errorf("bad ageing time %v: want at least 1s, or 0 to keep entries for ever", s.Ageing)
	}
	for _, check := range []func() error{
		s.checkPort,
		s.checkBridgeTo,
		func() error { return s.checkRemotes(node) },
		func() error { return s.checkStatic(node) },
		func() error { return s.checkSealed(node) },
		func() error { return s.checkGroup(node) },
		func() error { return s.checkChecksums(node) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *NetworkSpec) checkRemotes(node NodeSpec) error {
	seen := make(map[netip.AddrPort]bool)
	for _, r := range s.Remotes {
		if err := dataplane.CheckRemote(node.Local, r.Addr()); err != nil {
			return fmt.Errorf("%w; give the addresses of other VTEPs with --remote", err)
		}
		r = node.withPort(r)
		if seen[r] {
			return fmt.Errorf("remote %v is given twice: it would get every flooded frame twice", r)
		}
		seen[r] = true
	}
	return nil
}

func (s *NetworkSpec) checkStatic(node NodeSpec) error {
	for i, e := range s.Static {
		if err := dataplane.CheckRemote(node.Local, e.Remote.Addr()); err != nil {
			return fmt.Errorf("table entry of %v: %w; give the address of another VTEP with --fdb", e.MAC, err)
		}
		clash := func(other StaticEntry) bool {
			return other.MAC == e.MAC && (!e.MAC.IsMulticast() || node.withPort(other.Remote) == node.withPort(e.Remote))
		}
		if slices.ContainsFunc(s.Static[:i], clash) {
			return fmt.Errorf("table entry of %v is given twice: a MAC is behind one VTEP, a group's behind several, each once", e.MAC)
		}
	}
	return nil
}

// withPort fills in the port that a remote was given without.
func (s *NodeSpec) withPort(r netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(r.Addr().Unmap(), cmp.Or(r.Port(), s.Port, dataplane.DefaultPort))
}
