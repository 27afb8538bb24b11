package mem_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// A wire with two VTEPs on it, and a datagram from one to the other.
func Example() {
	wire := mem.NewNetwork(mem.Impairments{MTU: 1500}, 1)
	a, _ := wire.Underlay(netip.MustParseAddrPort("10.9.0.1:4789"), mem.UnderlayConfig{Sources: 16})
	b, _ := wire.Underlay(netip.MustParseAddrPort("10.9.0.2:4789"), mem.UnderlayConfig{})
	defer a.Close()
	defer b.Close()

	a.Send([]encap.Datagram{{Data: []byte("hello"), Remote: b.Addr(), Source: 5}})
	got := []encap.Datagram{{Data: make([]byte, 65535)}}
	b.Recv(got)
	fmt.Printf("%s from %v\n", got[0].Data, got[0].Remote)
	// Output: hello from 10.9.0.1:49157
}

// A port, seen from the dataplane and from the host behind it.
func ExamplePort() {
	port := mem.NewPort(mem.PortConfig{})
	poller := mem.NewPoller()
	port.Notify(func() { poller.Wake(0) })

	port.Inject(make([]byte, 60), encap.Offload{}) // the host sends a frame

	ready := make([]int, 1)
	poller.Wait(ready) // the dataplane waits for it, reads it, and sends it back
	frames := []encap.Frame{{Data: make([]byte, encap.MaxFrame)}}
	n, _ := port.Read(frames)
	port.Write(frames[:n])

	back, _ := port.Receive(context.Background())
	fmt.Println("queue", ready[0], "carried", back.Len(), "bytes")
	// Output: queue 0 carried 60 bytes
}
