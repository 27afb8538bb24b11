package underlay

import (
	"fmt"
	"net"
	"net/netip"
)

// Membership is that of a [Socket] in a multicast group on one interface.
type Membership struct {
	// Interface is the index that the interface had, by which datagrams to the group are to
	// leave. A [Watch] tells when it has another.
	Interface uint32

	leave func() error
}

// device is an interface, by its name and the index that it has for now.
type device struct {
	name  string
	index int
}

// Leave ends the membership.
func (m *Membership) Leave() error { return m.leave() }

// Join has Recv return what is sent to a multicast group, to the port that s listens on,
// and comes in by an interface. Whoever joins the same again shares the membership, which lasts until
// all have left. Of queues that share a port one is to join: each that does would hear
// everything. Only the Linux driver has groups.
func (s *Socket) Join(group netip.Addr, name string) (*Membership, error) {
	group = group.Unmap()
	i, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("joining group %v on %s: %w", group, name, err)
	case i.Flags&net.FlagMulticast == 0:
		return nil, fmt.Errorf("joining group %v: interface %s takes no multicast; choose another --dev", group, name)
	}
	at := netip.AddrPortFrom(group.WithZone(""), s.local.Port())
	leave, err := s.driver.join(at, device{i.Name, i.Index})
	if err != nil {
		return nil, fmt.Errorf("joining group %v on %s: %w", group, name, err)
	}
	return &Membership{uint32(i.Index), leave}, nil
}

// AllowNoChecksum opens the sockets from which datagrams with NoChecksum are sent, unless
// they are open: the system computes a checksum, or does not, for all that leaves a socket.
// They have source ports of their own. Only the Linux driver has such sockets.
func (s *Socket) AllowNoChecksum() error {
	if err := s.driver.allowNoChecksum(); err != nil {
		return fmt.Errorf("opening sockets that send no UDP checksum: %w", err)
	}
	return nil
}
