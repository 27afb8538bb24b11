package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

const everyStage = dataplane.StageTap | dataplane.StageWire | dataplane.StageDropped

// startCapture begins a capture that ends with the test.
func startCapture(t testing.TB, v *dataplane.VTEP, cfg dataplane.CaptureConfig) *dataplane.Capture {
	t.Helper()
	c, err := v.Capture(cfg)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// drain takes everything that was captured.
func drain(c *dataplane.Capture) (list []dataplane.Captured) {
	c.Drain(1<<30, func(f *dataplane.Captured) {
		one := *f
		one.Data = bytes.Clone(f.Data)
		list = append(list, one)
	})
	return list
}

// capturedPair is two nodes that flood to each other, and what is captured at the first.
func capturedPair(t testing.TB, cfg dataplane.CaptureConfig, wrap func(dataplane.Underlay) dataplane.Underlay) (a, b *node, c *dataplane.Capture) {
	wire := newWire()
	a = newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2"), wrap: wrap})
	b = newNode(t, wire, "10.9.0.2", setup{network: flooding("10.9.0.1")})
	return a, b, startCapture(t, a.vtep, cfg)
}

func TestCaptureSeesEachStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := capturedPair(t, dataplane.CaptureConfig{Stages: everyStage}, nil)
		out, in := etherFrame(b.mac, a.mac, "there"), etherFrame(a.mac, b.mac, "and back")
		a.port.send(t, out)
		b.port.send(t, in)
		remote := b.addr
		want := []dataplane.Captured{
			{Stage: dataplane.StageTap, Out: true, VNI: testVNI, Port: "port0", Data: out},
			{Stage: dataplane.StageWire, Out: true, VNI: testVNI, Packet: true, Remote: remote, Source: encap.SourceListen, TTL: 64, Data: vxlan(out)},
			{Stage: dataplane.StageWire, VNI: testVNI, Packet: true, Remote: remote, TTL: 64, Data: vxlan(in)},
			{Stage: dataplane.StageTap, VNI: testVNI, Port: "port0", Remote: remote, Data: in},
		}
		got := drain(c)
		if len(got) != len(want) {
			t.Fatalf("captured %d frames, want %d: %+v", len(got), len(want), got)
		}
		for i := range want {
			g, w := got[i], want[i]
			if g.Time.IsZero() || g.Length != len(w.Data) || !bytes.Equal(g.Data, w.Data) {
				t.Errorf("frame %d: %d bytes at %v: %x, want %x", i, g.Length, g.Time, g.Data, w.Data)
			}
			if g.Stage != w.Stage || g.Out != w.Out || g.VNI != w.VNI || g.Port != w.Port || g.Packet != w.Packet ||
				g.Remote != w.Remote || g.TTL != w.TTL || w.Source != 0 && g.Source != w.Source {
				t.Errorf("frame %d: %+v, want %+v", i, g, w)
			}
		}
		if n := c.Missed(); n != 0 {
			t.Errorf("%d frames missed", n)
		}
	})
}

func TestCaptureOfOneNetworkOrRemote(t *testing.T) {
	tests := []struct {
		name string
		cfg  dataplane.CaptureConfig
		want int
	}{
		{"the network", dataplane.CaptureConfig{VNI: testVNI}, 4},
		{"another network", dataplane.CaptureConfig{VNI: testVNI + 1}, 0},
		{"the remote", dataplane.CaptureConfig{Remote: netip.MustParseAddr("10.9.0.2")}, 4},
		{"another remote", dataplane.CaptureConfig{Remote: netip.MustParseAddr("10.9.0.3")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.cfg.Stages = everyStage
				a, b, c := capturedPair(t, tt.cfg, nil)
				a.port.send(t, etherFrame(b.mac, a.mac, "there"))
				b.port.send(t, etherFrame(a.mac, b.mac, "and back"))
				if got := drain(c); len(got) != tt.want {
					t.Errorf("captured %d frames, want %d: %+v", len(got), tt.want, got)
				}
			})
		})
	}
}

// Whatever is dropped is captured once, with the reason under which it is counted.
func TestCaptureNamesEveryDrop(t *testing.T) {
	cases := dropCases(t)
	for why, c := range sealedDropCases(t) {
		cases[why] = c
	}
	for why, c := range cases {
		t.Run(why.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var captured *dataplane.Capture
				c.watch = func(v *dataplane.VTEP) {
					captured = startCapture(t, v, dataplane.CaptureConfig{Stages: dataplane.StageDropped})
				}
				c.check(why)(t)
				got := drain(captured)
				if len(got) != 1 || got[0].Drop != why || got[0].Frames != 1 {
					t.Fatalf("captured %+v", got)
				}
				if c.frame != nil && !bytes.Equal(got[0].Data, c.frame) {
					t.Errorf("captured %x, want %x", got[0].Data, c.frame)
				}
			})
		})
	}
}

func TestCaptureOfTrainsIsByDatagram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := capturedPair(t, dataplane.CaptureConfig{Stages: dataplane.StageWire}, nil)
		f := flowOf(a.mac, b.mac, false)
		frame := f.frame(t, make([]byte, 5000))
		a.port.inject(t, frame, cutBy(frame, 1000))
		synctest.Wait()
		got := drain(c)
		if len(got) != 5 {
			t.Fatalf("captured %d datagrams, want 5", len(got))
		}
		for _, d := range got {
			if want := encap.VXLANSize + len(frame) - 4000; d.Length != want {
				t.Errorf("a datagram of %d bytes, want %d", d.Length, want)
			}
		}
	})
}

func TestCaptureOfSealedNetworks(t *testing.T) {
	for vni, want := range map[encap.VNI]int{0: 2, testVNI: 1, testVNI + 1: 0} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			sealed := networkConfig{Sealed: true}
			b := newNode(t, wire, "10.9.0.2", setup{network: sealed, peers: []string{"10.9.0.1"}})
			c := startCapture(t, b.vtep, dataplane.CaptureConfig{Stages: dataplane.StageWire, VNI: vni})
			a := newNode(t, wire, "10.9.0.1", setup{network: sealed, peers: []string{"10.9.0.2"}})
			a.port.send(t, toAll(a.mac))
			pass(time.Second)
			var data, handshakes int
			for _, d := range drain(c) {
				switch {
				case d.Out:
				case d.Data[0] == crypto.TypeData:
					data++
				default:
					handshakes++
				}
			}
			if kinds := min(data, 1) + min(handshakes, 1); kinds != want || vni == testVNI && data == 0 {
				t.Errorf("VNI %d: captured %d data packets and %d of handshakes", vni, data, handshakes)
			}
		})
	}
}

// What finds no room in the rings is counted, and nobody waits for it.
func TestCaptureMissesWhatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := capturedPair(t, dataplane.CaptureConfig{Stages: dataplane.StageTap}, nil)
		const sent = 10000
		for range sent / 100 {
			for range 100 {
				a.port.inject(t, etherFrame(b.mac, a.mac, "one of many"), encap.Offload{})
			}
			synctest.Wait()
			b.port.received()
		}
		got := len(drain(c))
		if got == 0 || got == sent || uint64(got)+c.Missed() != sent {
			t.Errorf("of %d frames, %d were captured and %d missed", sent, got, c.Missed())
		}
		a.port.send(t, etherFrame(b.mac, a.mac, "there is room again"))
		if got := len(drain(c)); got != 1 {
			t.Errorf("captured %d frames after the ring was drained, want 1", got)
		}
	})
}

// The rings go round, and what was in them comes out as it went in.
func TestCaptureOfMoreThanTheRingsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := capturedPair(t, dataplane.CaptureConfig{Stages: dataplane.StageTap}, nil)
		for i := range 500 { // 20 MB, and a ring holds less
			frame := flowOf(a.mac, b.mac, false).frame(t, bytes.Repeat([]byte{byte(i)}, 40000+i))
			a.port.inject(t, frame, cutBy(frame, 1400))
			synctest.Wait()
			if got := drain(c); len(got) != 1 || !bytes.Equal(got[0].Data, frame) {
				t.Fatalf("frame %d: captured %d", i, len(got))
			}
			b.port.received()
		}
		if n := c.Missed(); n != 0 {
			t.Errorf("%d frames missed", n)
		}
	})
}

func TestCaptureCutsFramesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := capturedPair(t, dataplane.CaptureConfig{Stages: dataplane.StageTap, SnapLen: 20}, nil)
		frame := etherFrame(b.mac, a.mac, "a frame longer than that")
		a.port.send(t, frame)
		if got := drain(c); len(got) != 1 || !bytes.Equal(got[0].Data, frame[:20]) || got[0].Length != len(frame) {
			t.Errorf("captured %+v", got)
		}
		c.Close()
		a.port.send(t, frame)
		if got := drain(c); len(got) != 0 {
			t.Errorf("captured %d frames after the end", len(got))
		}
	})
}

func TestCapturesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, newWire(), "10.9.0.1", setup{})
		var all []*dataplane.Capture
		for {
			c, err := a.vtep.Capture(dataplane.CaptureConfig{Stages: everyStage})
			if err != nil {
				break
			}
			if all = append(all, c); len(all) > 100 {
				t.Fatal("there is no limit")
			}
		}
		a.port.send(t, toAll(a.mac))
		for i, c := range all {
			if got := drain(c); len(got) != 2 { // read, and dropped
				t.Errorf("capture %d has %d frames, want 2", i, len(got))
			}
			c.Close()
		}
		startCapture(t, a.vtep, dataplane.CaptureConfig{}).Close()
	})
}

// frames from one port to another are seen at both.
func TestCaptureOfLocalFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, newWire(), "10.9.0.1", setup{})
		a.addPort(t, "second", secondMAC, mem.PortConfig{})
		c := startCapture(t, a.vtep, dataplane.CaptureConfig{Stages: everyStage})
		frame := etherFrame(secondMAC, a.mac, "to the other port")
		a.port.send(t, frame)
		got := drain(c)
		if len(got) != 2 || got[0].Port != "port0" || !got[0].Out || got[1].Port != "second" || got[1].Out {
			t.Errorf("captured %+v", got)
		}
	})
}

// cutBy is the offload of a UDP superframe whose segments have size bytes of payload.
func cutBy(frame []byte, size int) encap.Offload {
	var l encap.Layers
	l.Parse(frame)
	binary.BigEndian.PutUint16(frame[l.L4+encap.UDPChecksumOffset:], encap.PseudoHeader(frame, &l))
	return encap.Offload{
		NeedsCSUM: true, GSO: encap.GSOUDP, SegmentSize: uint16(size), HeaderLen: uint16(l.Payload),
		CSUMStart: uint16(l.L4), CSUMOffset: encap.UDPChecksumOffset,
	}
}
