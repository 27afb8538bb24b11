package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// A socket stays in the namespace where it was opened; only the opening has to happen
// there. Names are refused, since the resolver works in goroutines of its own, which
// are not there. The zone of a link-local address has to be the number of an interface,
// since Go remembers names over all namespaces.

// DialContext connects from the host to an address that is an IP literal and a port.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	dialer.SetMultipathTCP(false)
	var conn net.Conn
	err := h.withLiteral(address, func() (err error) {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.name, err)
	}
	return conn, nil
}

// Listen listens on the host for streams. The address is an IP literal and a port.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // what is measured is to be plain TCP
	var ln net.Listener
	err := h.withLiteral(address, func() (err error) {
		ln, err = config.Listen(context.Background(), network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.name, err)
	}
	return ln, nil
}

// ListenPacket opens a socket for datagrams on the host. The address is an IP literal
// and a port.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := h.withLiteral(address, func() (err error) {
		conn, err = net.ListenPacket(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.name, err)
	}
	return conn, nil
}

// withLiteral calls open in the namespace if address needs no looking up.
func (h *Host) withLiteral(address string, open func() error) error {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return fmt.Errorf("address %q: give an IP address and a port", address)
	}
	return h.Do(open)
}

// listenICMP opens a raw socket for the ICMP of dst's family.
func (h *Host) listenICMP(dst netip.Addr) (net.PacketConn, error) {
	network, any := "ip4:icmp", "0.0.0.0"
	if dst.Is6() {
		network, any = "ip6:ipv6-icmp", "::"
	}
	var conn net.PacketConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenPacket(network, any)
		return err
	})
	return conn, err
}

// zoneIndex is the zone of addr as a number, as the rest of Go wants it from here.
func (h *Host) zoneIndex(addr netip.Addr) (netip.Addr, error) {
	if addr.Zone() == "" {
		return addr, nil
	}
	link, err := h.link(addr.Zone())
	if err != nil {
		return addr, err
	}
	return addr.WithZone(fmt.Sprint(link.Attrs().Index)), nil
}
