package underlay

import (
	"fmt"
	"net"
	"net/netip"
)

// MTU returns the MTU in bytes of the interface that has the address, in the network
// namespace of the calling thread: the largest IP packet that the underlay can carry
// on its first hop. The zone of a link-local address picks the interface. If none has
// the address the error is a [*NoAddressError].
func MTU(local netip.Addr) (int, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return 0, fmt.Errorf("looking for the interface with address %v: %w", local, err)
	}
	for _, i := range interfaces {
		if zone := local.Zone(); zone != "" && zone != i.Name {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface is gone since it was listed
		}
		for _, have := range addrs {
			if sameAddress(have, local) {
				return i.MTU, nil
			}
		}
	}
	return 0, &NoAddressError{Addr: local}
}

// sameAddress reports whether an interface's address is a, whatever its prefix and
// zone. A loopback interface has every address of its prefix.
func sameAddress(have net.Addr, a netip.Addr) bool {
	prefix, ok := have.(*net.IPNet)
	if !ok {
		return false
	}
	if a.IsLoopback() {
		return prefix.Contains(a.AsSlice())
	}
	ip, ok := netip.AddrFromSlice(prefix.IP)
	return ok && ip.Unmap() == a.Unmap().WithZone("")
}
