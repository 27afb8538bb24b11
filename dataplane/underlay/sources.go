package underlay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
)

// openSources opens n sockets with bind, each on a port of its own that is picked at
// random from the source port range. The ports that other sockets hold, those of
// other queues among them, are passed over. On an error the sockets opened so far are
// returned with it, to be closed.
func openSources[T any](local netip.Addr, n int, bind func(netip.AddrPort) (T, error)) ([]T, []uint16, error) {
	var sockets []T
	var ports []uint16
	const span = lastSourcePort - firstSourcePort + 1
	// A walk from a random port with a random odd step visits each port of the range
	// once, the span being a power of two.
	port, step := rand.Uint32N(span), rand.Uint32N(span)|1
	for range span {
		if len(sockets) == n {
			return sockets, ports, nil
		}
		port = (port + step) % span
		at := netip.AddrPortFrom(local, uint16(firstSourcePort+port))
		s, err := bind(at)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return sockets, ports, fmt.Errorf("binding source port %v: %w", at, err)
		}
		sockets, ports = append(sockets, s), append(ports, at.Port())
	}
	return sockets, ports, fmt.Errorf("no free source port between %d and %d at %v: wanted %d", firstSourcePort, lastSourcePort, local, n)
}
