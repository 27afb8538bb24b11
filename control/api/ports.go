package api

import (
	"net/http"
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// PortKind is what kind of device a port is.
type PortKind string

// The kinds of devices.
const (
	KindTAP       PortKind = "tap"       // an Ethernet interface that the agent makes and removes; the default
	KindTUN       PortKind = "tun"       // one that carries IP packets, to which the agent adds what Ethernet needs
	KindInterface PortKind = "interface" // one that the host has, or a VLAN on it: what is on its wire
)

// PortSpec is what a user asks of one port: a device whose frames a network carries.
type PortSpec struct {
	// Name names the port in listings, and is unique in its network. Empty means the name of
	// its device, in another namespace with that of the namespace, as in eth0@red.
	Name string `json:"name,omitempty"`
	// Kind is the kind of its device; empty means KindTAP.
	Kind PortKind `json:"kind,omitempty"`
	// Device is the name of the interface, in its namespace. Of KindInterface it is that of
	// one in the agent's, or that with a VLAN, as in eth1.100; all but Name is its own then,
	// and is left out.
	Device string `json:"device,omitempty"`
	// NetNS is the network namespace for the interface: the name of one under /run/netns, or
	// a path. PID says the same by a process that is in it. Neither means the agent's own.
	NetNS string `json:"netns,omitempty"`
	PID   int    `json:"pid,omitempty"`
	// MAC of the interface; zero derives it from its first address, or else from the names of
	// node and port, so that it is the same when it is made again.
	MAC encap.MAC `json:"mac,omitzero"`
	// MTU of the interface in bytes of IP packet; 0 means the network's.
	MTU int `json:"mtu,omitempty"`
	// Addresses are put on the interface, and then Routes lead out through it.
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Routes    []Route        `json:"routes,omitempty"`
	// Network is how the port's network is made if there is none of that VNI, in the words of
	// vxtap up. Then it goes with the last port. If there is one, it has to be as they say.
	// Without "tap" and "address" it has no device of its own.
	Network Words `json:"network,omitempty"`
	// Owner says who asked for the port, to himself when he cleans up later, and to people.
	Owner string `json:"owner,omitempty"`
	// Aliases are names by which others on the network may look for the port's addresses. The
	// agent keeps them for whoever answers.
	Aliases []string `json:"aliases,omitempty"`
	// Handover leaves the interface down, for somebody who takes it to a namespace of his own
	// and sets it up there, as a container engine does. An event says under which name he has
	// brought it up.
	Handover bool `json:"handover,omitempty"`
}

// Route leads to destinations through an interface.
type Route struct {
	To  netip.Prefix `json:"to"`           // 0.0.0.0/0 and ::/0 make a default route
	Via netip.Addr   `json:"via,omitzero"` // the gateway; none means that they are on the link
}

// Port describes one port of a network: a device whose frames the node carries.
type Port struct {
	Name      string         `json:"name"` // unique in its network
	Kind      PortKind       `json:"kind"`
	Device    string         `json:"device"` // name of the interface, in its namespace
	MAC       encap.MAC      `json:"mac,omitzero"`
	MTU       int            `json:"mtu"`
	NetNS     string         `json:"netns,omitempty"` // name or path; empty is the agent's own
	Driver    string         `json:"driver"`          // "linux" or "portable"
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Routes    []Route        `json:"routes,omitempty"`
	Offloads  []Offload      `json:"offloads,omitempty"`
	Notes     []string       `json:"notes,omitempty"` // what is unusual about it, a line each
	// Added: it was added by a request, and can be removed by one. Others come and go with
	// their network.
	Added   bool     `json:"added,omitempty"`
	Owner   string   `json:"owner,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
}

func (h handler) ports(_ http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	n, err := h.backend.Network(vni)
	if n.Ports == nil {
		n.Ports = []Port{} // an empty array, not null
	}
	return n.Ports, err
}

func (h handler) addPort(w http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	spec, err := decodeBody(w, r, decodePort)
	if err != nil {
		return nil, err
	}
	p, err := h.backend.AddPort(vni, spec)
	if err == nil && r.Context().Err() != nil { // who asked is gone, and may have cleaned up before it was there
		return nil, h.backend.RemovePort(vni, p.Name)
	}
	return p, err
}

func (h handler) removePort(_ http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	return nil, h.backend.RemovePort(vni, r.PathValue("port"))
}

func decodePort(body []byte) (spec PortSpec, err error) { return spec, decode(body, &spec) }
