package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
)

// A network can be bridged to interfaces that the host has. Each is a port of KindInterface,
// which comes and goes with the network, or was added by a request, as any other.

// bridgePorts returns the ports that the network is bridged by.
func (s *NetworkSpec) bridgePorts() []PortSpec {
	ports := make([]PortSpec, len(s.BridgeTo))
	for i, name := range s.BridgeTo {
		ports[i] = PortSpec{Name: name, Kind: KindInterface, Device: name}
	}
	return ports
}

// checkBridgeTo says what is wrong with the interfaces as they are named.
func (s *NetworkSpec) checkBridgeTo() error {
	for i, name := range s.BridgeTo {
		p := PortSpec{Kind: KindInterface, Device: name}
		if err := checkInterface(&p); err != nil {
			return err
		}
		if own := s.ownPort(); !s.NoPort && own.NetNS == "" && own.PID == 0 && overlap(name, own.Device) {
			return fmt.Errorf("bridge-to %s: that is the network's own TAP", name)
		}
		for _, other := range s.BridgeTo[:i] {
			if overlap(name, other) {
				return fmt.Errorf("bridge-to %s and %s: frames of one would come from both; leave one of them out", other, name)
			}
		}
	}
	return nil
}

// checkInterface checks a port of KindInterface.
func checkInterface(p *PortSpec) error {
	switch {
	case p.Device == "":
		return errors.New("no interface: name one that the host has, like eth1, or a VLAN on it, like eth1.100")
	case p.MTU != 0 || !p.MAC.IsZero() || p.NetNS != "" || p.PID != 0 || len(p.Addresses) > 0 || len(p.Routes) > 0:
		return fmt.Errorf("interface %s is the host's: it keeps its MTU, MAC, namespace, addresses and routes; leave them out", p.Device)
	}
	if _, err := ParseInterface(p.Device); err != nil {
		return err
	}
	return checkPortName(p)
}

// maxInterface is the longest name of an interface of Linux, with a VLAN behind it.
const maxInterface = 15 + len(".4094")

// ParseInterface reads the name of an interface, or of a VLAN on one. Which there are only
// the host can say.
func ParseInterface(s string) (string, error) {
	if s == "" || len(s) > maxInterface || strings.ContainsAny(s, "/ \t\n") || !utf8.ValidString(s) {
		return "", fmt.Errorf("bad interface %q: want the name of one, like eth1, or with a VLAN, like eth1.100", s)
	}
	return s, nil
}

// overlap reports whether frames on one of two wires may be on the other: they are one, or
// one is a VLAN on the other.
func overlap(a, b string) bool { return a == b || isVLANOn(a, b) || isVLANOn(b, a) }

func isVLANOn(name, base string) bool {
	vlan, found := strings.CutPrefix(name, base+".")
	_, err := strconv.ParseUint(vlan, 10, 16)
	return found && err == nil
}

// sharesWire says which wire of s another network has, as its TAP or bridged to it.
func (s *NetworkSpec) sharesWire(other *NetworkSpec) error {
	for _, name := range s.BridgeTo {
		p := PortSpec{Kind: KindInterface, Device: name}
		for _, q := range append(other.bridgePorts(), other.ownTAP()...) {
			if err := wireTaken(&p, &q); err != nil {
				return fmt.Errorf("%w, of network %d", err, other.VNI)
			}
		}
	}
	return nil
}

// ownTAP is the port with the network's own device, if it has one.
func (s *NetworkSpec) ownTAP() []PortSpec {
	if s.NoPort {
		return nil
	}
	return []PortSpec{s.ownPort()}
}

// checkWire says which port of the agent's has the wire of one that is to come to network n,
// or is it.
func (a *Agent) checkWire(n *network, p *PortSpec) error {
	if p.Kind != KindInterface {
		return nil
	}
	taken := func(other *network) error {
		for _, q := range other.portList() {
			if err := wireTaken(p, &q.spec); err != nil {
				return &api.Error{Status: statusConflict, Message: fmt.Sprintf("%v, of network %d", err, other.spec.VNI)}
			}
		}
		return nil
	}
	for _, vni := range slices.Sorted(maps.Keys(a.networks)) {
		if err := taken(a.networks[vni]); err != nil {
			return err
		}
	}
	return taken(n) // which may not be among them yet
}

// wireTaken says that another port has the wire that p is to have, or is its interface.
func wireTaken(p, other *PortSpec) error {
	switch {
	case !overlap(p.Device, other.Device):
		return nil
	case other.Kind == KindInterface:
		return fmt.Errorf("interface %s is bridged already, as %s", p.Device, other.Device)
	case other.NetNS == "" && other.PID == 0:
		return fmt.Errorf("interface %s is a TAP of this agent", p.Device)
	}
	return nil
}

// note logs what is unusual about a device, and adds to it what its network makes so.
func (a *Agent) note(n *network, p *PortSpec, d *Device) {
	if p.Kind == KindInterface && d.MTU < int(n.mtu.Load()) {
		d.Notes = append(d.Notes, fmt.Sprintf("interface %s has an MTU of %d, the network of %d: larger frames for machines behind it are dropped (port_too_big)", d.Name, d.MTU, int(n.mtu.Load())))
	}
	for _, note := range d.Notes {
		a.log.Warn(note, zap.Stringer("vni", n.spec.VNI))
	}
}
