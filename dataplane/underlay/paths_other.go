//go:build !linux

package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
)

// hearRouters is there for Linux alone: elsewhere the system follows what they say.
func hearRouters(netip.Addr, []*Socket) (net.PacketConn, error) {
	return nil, fmt.Errorf("hearing routers on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// asker knows no more than the MTU of the interface.
type asker struct{}

func (a *asker) open(netip.Addr, bool) error { return nil }

func (a *asker) ask(local, _ netip.Addr) (int, error) { return MTU(local) }

func (a *asker) way(netip.Addr, netip.Addr) string { return "" }

func (a *asker) close() {}
