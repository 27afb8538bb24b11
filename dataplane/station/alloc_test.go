package station_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// Frames cross both ways without allocation, once their neighbour is known.
func TestFramesCrossWithoutAllocation(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1, mem.Discard)
				b.know(f)
				steadyOut(b, f)
				steadyIn(b, f)
			})
		})
	}
}

const batch = 64

func steadyOut(b *bench, f family) {
	b.t.Helper()
	all := []encap.Frame{
		{Data: packet(b.t, f.ours, f.their, "x")},
		{Data: packet(b.t, ip("192.168.77.1"), ip("192.168.77.255"), "x")},
		{Data: packet(b.t, ip("fd77::1"), ip("ff02::1"), "x")},
	}
	b.devices[0].Repeat(all, 1<<40)
	buffers := make([][]byte, batch)
	for i := range buffers {
		buffers[i] = make([]byte, encap.ReadBuffer)
	}
	frames := make([]encap.Frame, batch)
	n := testing.AllocsPerRun(20, func() {
		for i := range frames {
			frames[i] = encap.Frame{Data: buffers[i]}
		}
		n, err := b.Queues()[0].Read(frames)
		if n != batch || err != nil {
			b.t.Fatal(n, err)
		}
		for i := range frames {
			if frames[i].Refusal != encap.RefusalNone {
				b.t.Fatal(frames[i].Refusal)
			}
		}
	})
	if n != 0 {
		b.t.Errorf("%v allocations to read a batch", n)
	}
}

func steadyIn(b *bench, f family) {
	b.t.Helper()
	ours := packet(b.t, f.their, f.ours, "x")
	encap.Ethernet(ours).SetDst(ourMAC)
	others := packet(b.t, f.their, f.other, "x")
	encap.Ethernet(others).SetDst(otherMAC)
	frames := make([]encap.Frame, batch)
	for i := range frames {
		frames[i].Data = ours
	}
	frames[7].Data = others
	q := b.Queues()[0]
	n := testing.AllocsPerRun(20, func() {
		for at := 0; at < batch; at++ {
			n, err := q.Write(frames[at:])
			if at += n; at < batch && !errors.Is(err, encap.RefusalOtherStation) {
				b.t.Fatal(n, err)
			}
		}
	})
	if n != 0 {
		b.t.Errorf("%v allocations to write a batch", n)
	}
}
