package mem_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// A wire with two VTEPs on it, and a datagram from one to the other.
func Example() {
	wire := mem.NewNetwork(mem.Impairments{MTU: 1500}, 1)
	a, err := wire.Underlay(netip.MustParseAddrPort("10.9.0.1:4789"), mem.UnderlayConfig{Sources: 16})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := wire.Underlay(netip.MustParseAddrPort("10.9.0.2:4789"), mem.UnderlayConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	if _, err := a.Send([]encap.Datagram{{Data: []byte("hello"), Remote: b.Addr(), Source: 5}}); err != nil {
		log.Fatal(err)
	}
	got := []encap.Datagram{{Data: make([]byte, 65535)}}
	if _, err := b.Recv(got); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s from %v\n", got[0].Data, got[0].Remote)
	// Output: hello from 10.9.0.1:49157
}

// A port, seen from the dataplane and from the host behind it.
func ExamplePort() {
	port := mem.NewPort(mem.PortConfig{})
	poller := mem.NewPoller()
	port.Notify(func() { poller.Wake(0) })

	port.Inject(make([]byte, 60), encap.Offload{}) // the host sends a frame

	ready := make([]int, 1) // the dataplane waits for it, reads it, and sends it back
	if _, err := poller.Wait(ready); err != nil {
		log.Fatal(err)
	}
	frames := []encap.Frame{{Data: make([]byte, encap.ReadBuffer)}}
	n, err := port.Read(frames)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := port.Write(frames[:n]); err != nil {
		log.Fatal(err)
	}

	back, err := port.Receive(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("queue", ready[0], "carried", back.Len(), "bytes")
	// Output: queue 0 carried 60 bytes
}
