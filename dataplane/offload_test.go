package dataplane_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// eachTransport runs a test for TCP and UDP over IPv4 and IPv6, from a's port to b's.
func eachTransport(t *testing.T, test func(t *testing.T, f flow)) {
	for _, ipv6 := range []bool{false, true} {
		for _, tcp := range []bool{false, true} {
			t.Run(fmt.Sprintf("ipv6=%t,tcp=%t", ipv6, tcp), func(t *testing.T) {
				f := flowOf(station(1), station(2), ipv6)
				f.tcp = tcp
				synctest.Test(t, func(t *testing.T) { test(t, f) })
			})
		}
	}
}

const mss = 1000

// superframe is a frame of several segments as a kernel leaves it, and its metadata.
func (f flow) superframe(t testing.TB, payload []byte) ([]byte, encap.Offload) {
	t.Helper()
	b := f.frame(t, payload)
	return b, partial(b, mss)
}

// rejoin checks frames with gopacket, each of at most mss bytes of payload, and puts the
// payloads together.
func rejoin(t testing.TB, frames []encap.Frame) (payload []byte) {
	t.Helper()
	for _, f := range frames {
		if f.Offload != (encap.Offload{}) {
			t.Fatalf("something is left to do: %+v", f.Offload)
		}
		part := checked(t, f.Data)
		if len(part) > mss {
			t.Fatalf("%d bytes in a segment of at most %d", len(part), mss)
		}
		payload = append(payload, part...)
	}
	return payload
}

// What left as wire-size datagrams comes to a port with offloads in one piece again, and
// to one without as it crossed.
func TestSegmentsAreJoinedForThePort(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		for _, offloads := range []encap.OffloadSet{allOffloads, encap.OffloadCSUM} {
			wire := newWire()
			wire.SetImpairments(mem.Impairments{KeepTrains: true}) // all in one receive
			a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
			b := newNode(t, wire, "10.9.0.2", setup{port: mem.PortConfig{Offloads: offloads}})
			f.dst = b.mac
			payload := pattern(10 * mss)
			frame, o := f.superframe(t, payload)
			a.port.inject(t, frame, o)
			synctest.Wait()
			got := b.port.received()
			if offloads == encap.OffloadCSUM {
				if len(got) != 10 || !bytes.Equal(rejoin(t, got), payload) {
					t.Errorf("the plain port got %d frames", len(got))
				}
			} else if len(got) != 1 || got[0].Offload.SegmentSize != mss {
				t.Errorf("%d segments in %d frames", 10, len(got))
			}
			if in := b.network.Stats().In; in.Frames != 10 || in.Forwarded != 10 {
				t.Errorf("counted as %d frames, %d forwarded", in.Frames, in.Forwarded)
			}
			must(t, a.vtep.Close())
			must(t, b.vtep.Close())
		}
	})
}

func TestPartialChecksumIsFinished(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
		b := newNode(t, wire, "10.9.0.2", setup{})
		whole := f.frame(t, pattern(101))
		left := bytes.Clone(whole)
		a.port.inject(t, left, partial(left, 0))
		synctest.Wait()
		b.port.expect(t, whole)
	})
}

func TestSuperframeLeavesInWireSize(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2", "10.9.0.3")})
		b := newNode(t, wire, "10.9.0.2", setup{})
		c := newNode(t, wire, "10.9.0.3", setup{})
		for _, size := range []int{mss + 1, 10 * mss, 64*mss + 1, 65000} {
			payload := pattern(size)
			frame, o := f.superframe(t, payload)
			a.port.inject(t, frame, o)
			synctest.Wait()
			for _, x := range []*node{b, c} {
				got := x.port.received()
				if want := (size + mss - 1) / mss; len(got) != want {
					t.Fatalf("%d bytes came as %d frames, want %d", size, len(got), want)
				}
				if !bytes.Equal(rejoin(t, got), payload) {
					t.Fatalf("%d bytes came changed", size)
				}
			}
		}
		s := a.network.Stats().Out
		if s.Frames != s.Forwarded || s.Copies != s.Forwarded {
			t.Errorf("counts %+v", s)
		}
		a.conserved(t)
	})
}

func TestSuperframeCrossesSwitchUntouched(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		a := newNode(t, newWire(), "10.9.0.1", setup{})
		second := a.addPort(t, "second", f.dst, mem.PortConfig{Offloads: allOffloads})
		frame, o := f.superframe(t, pattern(20*mss))
		a.port.inject(t, frame, o)
		synctest.Wait()
		got := second.received()
		if len(got) != 1 || got[0].Offload != o || !bytes.Equal(got[0].Data, frame) {
			t.Fatalf("%d frames", len(got))
		}
		if s := a.network.Stats().Out; s.Frames != 20 || s.Forwarded != 20 {
			t.Errorf("counted as %d frames, %d forwarded; want 20", s.Frames, s.Forwarded)
		}
	})
}

func TestFloodToPortsOfAllKinds(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
		b := newNode(t, wire, "10.9.0.2", setup{})
		plain := a.addPort(t, "plain", station(51), mem.PortConfig{})
		able := a.addPort(t, "able", station(52), mem.PortConfig{Offloads: allOffloads})
		half := a.addPort(t, "half", station(53), mem.PortConfig{Offloads: encap.OffloadCSUM})
		payload := pattern(5*mss + 1)
		frame, o := f.superframe(t, payload)
		a.port.inject(t, frame, o)
		synctest.Wait()
		for _, d := range []*device{plain, half, b.port} {
			if got := rejoin(t, d.received()); !bytes.Equal(got, payload) {
				t.Errorf("port %s got %d bytes, want %d", d.name, len(got), len(payload))
			}
		}
		if got := able.received(); len(got) != 1 || !bytes.Equal(got[0].Data, frame) || got[0].Offload != o {
			t.Errorf("the port with offloads got %d frames", len(got))
		}

		// A small one is finished once, for everybody, if it leaves this node.
		whole := f.frame(t, pattern(10))
		left := bytes.Clone(whole)
		a.port.inject(t, left, partial(left, 0))
		synctest.Wait()
		for _, d := range []*device{plain, half, able, b.port} {
			d.expect(t, whole)
		}
		a.conserved(t)
	})
}

func TestKernelSuperframeOverTheWire(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newWire()
		wire.SetImpairments(mem.Impairments{KeepTrains: true})
		a := newNode(t, wire, "10.9.0.1", setup{})
		plain := a.addPort(t, "plain", station(51), mem.PortConfig{})
		s := newStranger(t, wire, "10.9.0.9")
		f.dst = encap.Broadcast
		payload := pattern(20*mss + 3)
		frame, o := f.superframe(t, payload)
		d := encap.Datagram{Data: vxlan(frame), SegmentSize: mss} // what UDP_GRO says of inner UDP
		if f.tcp {
			d.SegmentSize = 0 // nothing is said, and the port's MTU must do
			o.SegmentSize = uint16(testMTU - (int(o.HeaderLen) - encap.EthernetSize))
		}
		s.say(t, a, d)
		got := a.port.received()
		if len(got) != 1 || got[0].Offload != o || !bytes.Equal(got[0].Data, frame) {
			t.Fatalf("%d frames, want the superframe as it was", len(got))
		}
		var joined []byte
		for _, seg := range plain.received() {
			joined = append(joined, checked(t, seg.Data)...)
		}
		if !bytes.Equal(joined, payload) {
			t.Errorf("the port without offloads got %d bytes, want %d", len(joined), len(payload))
		}
		a.conserved(t)
	})
}

func TestSmallKernelFrameWithPartialChecksum(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		plain := a.addPort(t, "plain", station(51), mem.PortConfig{})
		f.dst = encap.Broadcast
		whole := f.frame(t, pattern(33))
		left := bytes.Clone(whole)
		o := partial(left, 0)
		newStranger(t, wire, "10.9.0.9").say(t, a, encap.Datagram{Data: vxlan(left)})
		if got := a.port.received(); len(got) != 1 || got[0].Offload != o {
			t.Errorf("the port with offloads got %+v", got)
		}
		plain.expect(t, whole)
	})
}

func TestTrainIsTakenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		wire.SetImpairments(mem.Impairments{KeepTrains: true})
		a := newNode(t, wire, "10.9.0.1", setup{})
		f := flowOf(foreignMAC, ownMAC, false)
		var train []byte
		var want [][]byte
		const n = 200 // more than the worker has entries for
		for i := range n {
			payload := pattern(100)
			if i == n-1 {
				payload = payload[:50] // the last may be shorter
			}
			payload[0] = byte(i)
			want = append(want, f.frame(t, payload))
			train = append(train, vxlan(want[i])...)
		}
		size := encap.VXLANSize + len(want[0])
		s := newStranger(t, wire, "10.9.0.9")
		const most = 100 // one train may hold
		s.say(t, a, encap.Datagram{Data: train[:most*size], SegmentSize: uint16(size)})
		s.say(t, a, encap.Datagram{Data: train[most*size:], SegmentSize: uint16(size)})
		a.port.expect(t, want...)
		if in := a.network.Stats().In; in.Frames != n || in.Forwarded != n {
			t.Errorf("counts %+v", in)
		}
	})
}

func TestOffloadsThatShrinkLoseNothing(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		a := newNode(t, newWire(), "10.9.0.1", setup{})
		second := a.addPort(t, "second", f.dst, mem.PortConfig{Offloads: allOffloads})
		payload := pattern(3 * mss)
		frame, o := f.superframe(t, payload)
		second.queues[0].SetOffloads(0) // the kernel goes back on its word
		var want []byte
		for range 3 {
			a.port.inject(t, frame, o)
			want = append(want, payload...)
			synctest.Wait()
		}
		if got := rejoin(t, second.received()); !bytes.Equal(got, want) {
			t.Errorf("%d bytes came, want %d", len(got), len(want))
		}
		if s := a.network.Stats().Out; s.Forwarded != 9 || s.Dropped() != 0 {
			t.Errorf("counts %+v", s)
		}
		if refused := second.queues[0].Counts().Refused; refused != 1 {
			t.Errorf("it was asked %d times for what it does not do", refused)
		}
	})
}
