package control

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// minMTU6 is IPv6's smallest MTU (RFC 8200 section 5).
const minMTU6 = 1280

// maxPortName is the longest name of a port in bytes: of two digests, one can be told.
const maxPortName = 128

// checkPort checks what the network's own device is to be.
func (s *NetworkSpec) checkPort() error {
	if word := deviceWord(&s.Port); s.NoPort && word != "" {
		return fmt.Errorf("--%s with --tap none: there is no device for it; leave one of them out", word)
	}
	return checkPort(&s.Port)
}

// deviceWord is a word that was said of a port's device, empty if there is none.
func deviceWord(p *PortSpec) string {
	switch {
	case p.Kind == KindTUN:
		return "tun"
	case len(p.Addresses) > 0:
		return "address"
	case !p.MAC.IsZero():
		return "mac"
	case p.NetNS != "" || p.PID != 0:
		return "netns"
	}
	return ""
}

// checkPort checks what a port is to be, but for the name of its device, about which systems
// differ: that is the driver's to judge.
func checkPort(p *PortSpec) error {
	switch {
	case !slices.Contains([]api.PortKind{"", KindTAP, KindTUN, KindInterface}, p.Kind):
		return fmt.Errorf("bad kind of port %q: want %s, %s or %s", p.Kind, KindTAP, KindTUN, KindInterface)
	case p.Kind == KindInterface:
		return checkInterface(p)
	case p.MTU != 0 && (p.MTU < encap.MinMTU || p.MTU > encap.MaxMTU):
		return fmt.Errorf("bad MTU %d: want auto, or a number from %d to %d", p.MTU, encap.MinMTU, encap.MaxMTU)
	case p.Handover && (len(p.Addresses) > 0 || len(p.Routes) > 0):
		return errors.New("addresses and routes with handover: whoever takes the interface sets them")
	case p.MAC.IsMulticast():
		return fmt.Errorf("MAC %v is a group address: an interface needs one of its own", p.MAC)
	}
	for _, check := range []func(*PortSpec) error{checkPortName, checkNamespace, checkAddresses, checkRoutes} {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

func checkPortName(p *PortSpec) error {
	odd := func(r rune) bool { return r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) }
	if p.Name == "." || p.Name == ".." || len(p.Name) > maxPortName || // in a URL those are others
		strings.ContainsFunc(p.Name, odd) || !utf8.ValidString(p.Name) {
		return fmt.Errorf("bad port name %q: want at most %d bytes of UTF-8, without '/' and white space", p.Name, maxPortName)
	}
	return nil
}

func checkNamespace(p *PortSpec) error {
	switch {
	case p.PID < 0:
		return fmt.Errorf("bad pid %d: want that of a process in the network namespace", p.PID)
	case p.PID != 0 && p.NetNS != "":
		return fmt.Errorf("pid %d and network namespace %s: name the namespace once", p.PID, p.NetNS)
	case strings.Contains(p.NetNS, "/") && !strings.HasPrefix(p.NetNS, "/"):
		return fmt.Errorf("bad path %q of a network namespace: want one from the root on, as the agent has a directory of its own", p.NetNS)
	}
	return nil
}

func checkAddresses(p *PortSpec) error {
	seen := make(map[netip.Addr]bool)
	for _, a := range p.Addresses {
		switch {
		case !a.IsValid() || a.Addr().IsMulticast() || a.Addr().IsUnspecified():
			return fmt.Errorf("address %v is no address of a host: give one, like 192.168.77.1/24, with --address", a)
		case p.MTU != 0 && p.MTU < minMTU6 && a.Addr().Is6():
			return fmt.Errorf("MTU %d with the IPv6 address %v: IPv6 needs at least %d (RFC 8200)", p.MTU, a, minMTU6)
		case seen[a.Addr()]:
			return fmt.Errorf("address %v is given twice: give each --address once", a.Addr())
		}
		seen[a.Addr()] = true
	}
	return nil
}

func checkRoutes(p *PortSpec) error {
	for i, r := range p.Routes {
		switch {
		case !r.To.IsValid():
			return errors.New("a route without destinations: give them as a prefix, like 0.0.0.0/0")
		case r.To != r.To.Masked():
			return fmt.Errorf("bad route to %v: the prefix of that length is %v", r.To, r.To.Masked())
		case r.Via.IsValid() && r.Via.Is4() != r.To.Addr().Is4():
			return fmt.Errorf("route to %v via %v: they are of different address families", r.To, r.Via)
		case r.Via.IsValid() && (r.Via.IsUnspecified() || r.Via.IsMulticast()):
			return fmt.Errorf("route to %v via %v: that is no address of a host", r.To, r.Via)
		case slices.Contains(p.Routes[:i], r):
			return fmt.Errorf("route to %v is given twice", r.To)
		}
	}
	return nil
}
