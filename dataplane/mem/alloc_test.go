package mem_test

import (
	"testing"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// noAllocs fails the test if op allocates once it is warm.
func noAllocs(t *testing.T, name string, op func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, op); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

func TestPortDoesNotAllocate(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{Depth: 64, Overflow: mem.DropOldest})
	frames := slab(8, 2000)
	data := ether(1500, 1)
	read := func() {
		for i := range frames {
			frames[i].Data = frames[i].Data[:2000]
		}
		if n, err := p.Read(frames); n != 8 || err != nil {
			t.Fatalf("Read = %d, %v", n, err)
		}
	}
	noAllocs(t, "inject and read", func() {
		for range 8 {
			p.Inject(data, encap.Offload{})
		}
		read()
	})
	p.Repeat([]encap.Frame{{Data: data}}, 1<<40)
	noAllocs(t, "repeat", read)
	for range 10 {
		p.Write(frames) // fill it, so that the oldest are dropped from here on
	}
	noAllocs(t, "write", func() { p.Write(frames) })
	sink := mem.NewPort(mem.PortConfig{Overflow: mem.Discard})
	noAllocs(t, "discard", func() { sink.Write(frames) })
}

func TestPollerDoesNotAllocate(t *testing.T) {
	p := mem.NewPoller()
	ready := make([]int, 4)
	noAllocs(t, "wake and wait", func() {
		p.Wake(1)
		p.Wake(0)
		p.Wait(ready)
	})
}

func TestNetworkDoesNotAllocate(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 4})
	b := listen(t, n, addrB, mem.UnderlayConfig{})
	out := []encap.Datagram{
		{Data: ether(70, 1), More: [][]byte{ether(1330, 2), ether(70, 1), ether(1330, 2)}, SegmentSize: 1400, Remote: addrB},
		{Data: ether(70, 1), More: [][]byte{ether(1330, 2)}, Remote: addrB, Source: 3},
	}
	in := make([]encap.Datagram, 4)
	bufs := make([]byte, len(in)*65536)
	noAllocs(t, "send and receive", func() {
		if n, err := a.Send(out); n != 2 || err != nil {
			t.Fatalf("Send = %d, %v", n, err)
		}
		if err := a.Post(&out[1]); err != nil {
			t.Fatalf("Post: %v", err)
		}
		for i := range in {
			in[i].Data = bufs[i*65536 : (i+1)*65536]
		}
		if n, err := b.Recv(in); n != 4 || err != nil {
			t.Fatalf("Recv = %d, %v", n, err)
		}
	})
	sink := listen(t, n, addr6, mem.UnderlayConfig{Discard: true})
	d := []encap.Datagram{{Data: ether(1400, 1), Remote: addr6, Source: encap.SourceListen}}
	noAllocs(t, "discard", func() { sink.Send(d) })
	if c := sink.Counts(); c.Arrived == 0 || c.Arrived != c.Sent {
		t.Errorf("counts %+v", c)
	}
}

func BenchmarkPort(b *testing.B) {
	p := mem.NewPort(mem.PortConfig{Overflow: mem.Discard})
	frames := slab(64, 1514)
	p.Repeat([]encap.Frame{{Data: ether(1514, 1)}}, 1<<62)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(frames) {
		p.Read(frames)
		p.Write(frames)
	}
}

func BenchmarkNetwork(b *testing.B) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	from := listen(b, n, addrA, mem.UnderlayConfig{})
	to := listen(b, n, addrB, mem.UnderlayConfig{})
	out, in := make([]encap.Datagram, 64), make([]encap.Datagram, 64)
	for i := range out {
		out[i] = encap.Datagram{Data: ether(1400, 1), Remote: addrB, Source: encap.SourceListen}
		in[i].Data = make([]byte, 1400)
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(out) {
		from.Send(out)
		to.Recv(in)
	}
}
