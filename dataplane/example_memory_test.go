package dataplane_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// memStation is a VTEP with one network, and the host behind its one port.
type memStation struct {
	vtep    *dataplane.VTEP
	network *dataplane.Network
	host    *mem.Port
}

// A whole topology in memory, which needs no rights: three VTEPs on one wire, each with a
// host. What the first host sends to everybody, both others get; where it is, they learn.
func Example_memory() {
	wire := mem.NewNetwork(mem.Impairments{MTU: 1500}, 1)
	addrs := []netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("10.9.0.3")}
	var stations []*memStation
	for i, a := range addrs {
		s, err := openStation(wire, a, encap.MAC{2, 0, 0, 0, 0, byte(i + 1)}, addrs)
		if err != nil {
			log.Fatal(err)
		}
		defer s.vtep.Close()
		stations = append(stations, s)
	}

	frame := append([]byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to everybody
		2, 0, 0, 0, 0, 1, // from the first host
		0x88, 0xb5, // an EtherType for experiments
	}, "hello"...)
	stations[0].host.Inject(frame, encap.Offload{})

	for _, s := range stations[1:] {
		got, err := s.host.Receive(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		in := s.network.Stats().In
		fmt.Printf("%s, of %d frames received\n", got.Data[14:], in.Frames)
	}
	// Output:
	// hello, of 1 frames received
	// hello, of 1 frames received
}

// openStation makes a VTEP that floods to all others.
func openStation(wire *mem.Network, local netip.Addr, mac encap.MAC, all []netip.Addr) (*memStation, error) {
	u, err := wire.Underlay(netip.AddrPortFrom(local, dataplane.DefaultPort), mem.UnderlayConfig{})
	if err != nil {
		return nil, err
	}
	vtep, err := dataplane.Open(dataplane.Config{
		Local:     local,
		Underlays: []dataplane.Underlay{u},
		NewPoller: func() (dataplane.Poller, error) { return mem.NewPoller(), nil },
	})
	if err != nil {
		return nil, err
	}
	cfg := dataplane.NetworkConfig{VNI: 42}
	for _, a := range all {
		if a != local {
			cfg.Remotes = append(cfg.Remotes, netip.AddrPortFrom(a, dataplane.DefaultPort))
		}
	}
	network, err := vtep.AddNetwork(cfg)
	if err != nil {
		return nil, err
	}
	host := mem.NewPort(mem.PortConfig{})
	err = network.AddPort(dataplane.PortConfig{Name: "eth0", MAC: mac, Queues: []dataplane.Queue{host}, Close: host.Close})
	return &memStation{vtep, network, host}, err
}
