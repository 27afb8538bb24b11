package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// PortTakenError is returned by [Open] if another socket holds the port, at the same
// address or at all addresses. It wraps EADDRINUSE.
type PortTakenError struct {
	// Local is what was asked for.
	Local netip.AddrPort
	// Owner says by whom it is taken, as far as could be found out: "process 1234
	// (nebula)", "kernel VXLAN interface vxlan7", "another socket".
	Owner string
}

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("UDP %v is taken by %s; stop it, or choose another --port", e.Local, e.Owner)
}

// Unwrap returns EADDRINUSE.
func (e *PortTakenError) Unwrap() error { return syscall.EADDRINUSE }

// NoAddressError is returned by [Open] if the local address is not (yet) usable on
// this host. It wraps EADDRNOTAVAIL.
type NoAddressError struct {
	// Addr is what was asked for.
	Addr netip.Addr
	// Tentative: an interface has the address but may not use it yet. It is down, or
	// IPv6 duplicate address detection (RFC 4862 section 5.4) is under way or has failed.
	Tentative bool
}

func (e *NoAddressError) Error() string {
	if e.Tentative {
		return fmt.Sprintf("address %v is not usable yet, its interface is down or duplicate address detection has not passed; bring the interface up or try again in a few seconds", e.Addr)
	}
	return fmt.Sprintf("no interface has address %v; add it or choose another --local", e.Addr)
}

// Unwrap returns EADDRNOTAVAIL.
func (e *NoAddressError) Unwrap() error { return syscall.EADDRNOTAVAIL }

// openError says in one line what was wrong when the listening socket could not be
// opened, and what to do about it.
func openError(local netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &PortTakenError{local, portOwner(local)}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &NoAddressError{local.Addr(), hasAddress(local.Addr())}
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return fmt.Errorf("cannot use %v, this system has no %s: %w", local.Addr(), family(local.Addr()), err)
	case errors.Is(err, syscall.EACCES) && local.Port() < 1024:
		return fmt.Errorf("may not bind UDP %v, ports below 1024 need root or CAP_NET_BIND_SERVICE: %w", local, err)
	}
	return fmt.Errorf("binding UDP %v: %w", local, err)
}

// SendError is why a datagram was not sent. Send returns one, of which only this
// struct is allocated, so a run of failures costs little.
type SendError struct {
	// Remote is where the datagram was to go.
	Remote netip.AddrPort
	// Err is the system's error.
	Err error
}

func (e *SendError) Error() string { return fmt.Sprintf("sending to %v: %v", e.Remote, e.Err) }

// Unwrap returns Err.
func (e *SendError) Unwrap() error { return e.Err }

// family names the family of an address for people.
func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// hasAddress reports whether any interface has the address, usable or not.
func hasAddress(a netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, have := range addrs {
		if sameAddress(have, a) {
			return true
		}
	}
	return false
}
