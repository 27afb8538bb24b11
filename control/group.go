package control

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vxtap/vxtap/dataplane"
)

// Checksum says whether what goes to a VTEP, or to all of a network's with an invalid
// Addr, has an outer UDP checksum.
type Checksum struct {
	Addr netip.Addr
	Sent bool
}

// checkGroup says what is wrong with a network's multicast group.
func (s *NetworkSpec) checkGroup(node NodeSpec) error {
	switch g := s.Group; {
	case !g.IsValid() && s.GroupDevice == "":
		return nil
	case !g.IsValid():
		return fmt.Errorf("--dev %s without --group: it names the interface by which a group is reached", s.GroupDevice)
	case s.GroupDevice == "" && g.Zone() == "":
		return fmt.Errorf("group %v without an interface: name it with --dev", g)
	case s.GroupDevice != "" && g.Zone() != "" && g.Zone() != s.GroupDevice:
		return fmt.Errorf("group %v with --dev %s: they name different interfaces", g, s.GroupDevice)
	case node.Local.Zone() != "" && node.Local.Zone() != s.groupDevice():
		return fmt.Errorf("group %v on %s, but the local address %v is one of another interface", g, s.groupDevice(), node.Local)
	case node.Offload.Portable():
		return errors.New("--group with --offload off: the portable drivers have no groups; say --offload none")
	case s.Sealed:
		return errors.New("--group with --sealed: keys are those of two VTEPs; name each VTEP instead")
	case s.Closed:
		return errors.New("--group with --closed: who is in a group is not known beforehand; name each VTEP with --remote instead")
	case len(s.Remotes) > 0:
		return errors.New("--group with --remote: who hears both would get every flooded frame twice; leave one out, or add VTEPs that do not hear the group with vxtap fdb append")
	}
	if err := dataplane.CheckGroup(node.Local, s.Group); err != nil {
		return fmt.Errorf("%w; give one like 239.1.1.1 or ff05::42 with --group", err)
	}
	return nil
}

// groupDevice is the interface by which the group is reached.
func (s *NetworkSpec) groupDevice() string {
	if s.GroupDevice == "" {
		return s.Group.Zone()
	}
	return s.GroupDevice
}

// checkChecksums says what is wrong with what is said about outer checksums.
func (s *NetworkSpec) checkChecksums(node NodeSpec) error {
	seen := make(map[netip.Addr]bool)
	for _, c := range s.Checksums {
		a := c.Addr.WithZone("")
		switch {
		case a.IsValid() && a.Is4() != node.Local.Is4():
			return fmt.Errorf("--udpcsum for %v, which is of another address family than %v", c.Addr, node.Local)
		case seen[a]:
			return errors.New("--udpcsum is said twice of the same: say it once for all, and once for each VTEP that differs")
		case !c.Sent && s.Sealed:
			return errors.New("--udpcsum=false with --sealed: other ends of sealed networks take checksums, and trains need them")
		case !c.Sent && node.Offload.Portable():
			return errors.New("--udpcsum=false with --offload off: the portable drivers always send checksums; say --offload none")
		}
		seen[a] = true
	}
	return nil
}

// sums fills in for which VTEPs checksums are sent, and reports whether they are for all.
func (s *NetworkSpec) sums() (all bool) {
	all = true
	s.NoChecksum, s.ChecksumTo = false, make(map[netip.Addr]bool)
	for _, c := range s.Checksums {
		all = all && c.Sent
		if c.Addr.IsValid() {
			s.ChecksumTo[c.Addr.WithZone("")] = c.Sent
			continue
		}
		s.NoChecksum = !c.Sent
	}
	return all
}

// withoutSums names those to whom no checksums are sent, "all" for the network.
func (s *NetworkSpec) withoutSums() (list []string) {
	for _, c := range s.Checksums {
		switch {
		case c.Sent:
		case c.Addr.IsValid():
			list = append(list, c.Addr.String())
		default:
			list = append(list, "all")
		}
	}
	return list
}

// prepare has the sockets ready for what a plain network needs of them: its group is
// heard until the network is removed, and datagrams can be sent without checksums.
func (e *endpoint) prepare(spec *NetworkSpec) error {
	if !spec.sums() {
		if err := e.underlay.AllowNoChecksum(); err != nil {
			return err
		}
	}
	if !spec.Group.IsValid() {
		return nil
	}
	index, leave, err := e.underlay.Join(spec.Group, spec.groupDevice())
	if err != nil {
		return err
	}
	spec.GroupInterface, spec.Release = index, leave
	return nil
}
