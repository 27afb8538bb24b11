package encap_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func flowHash(frame []byte, seed uint64) uint32 {
	var l encap.Layers
	l.Parse(frame)
	return encap.FlowHash(frame, &l, seed)
}

// flows are series of frames as real hosts make them, flow i of each.
var flows = map[string]func(i int) []byte{
	"next port": func(i int) []byte {
		b := cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoTCP, 0, 0, 20), tcpOf(20))
		encap.TCP(b[34:]).SetSrcPort(uint16(32768 + i))
		return b
	},
	"every other port, as Linux connects": func(i int) []byte {
		b := cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoUDP, 0, 0, 8), udpOf(8))
		encap.UDP(b[34:]).SetSrcPort(uint16(32768 + 2*i))
		return b
	},
	"next destination": func(i int) []byte {
		b := cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoICMP, 0, 0, 8), make([]byte, 8))
		encap.IPv4(b[14:]).SetDst([4]byte{10, 0, byte(i >> 8), byte(i)})
		return b
	},
	"both ports move": func(i int) []byte {
		b := cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoTCP, 0, 0, 20), tcpOf(20))
		encap.TCP(b[34:]).SetSrcPort(uint16(5000 + i))
		encap.TCP(b[34:]).SetDstPort(uint16(5000 + i))
		return b
	},
	"IPv6 port": func(i int) []byte {
		b := cat(ethOf(encap.EtherTypeIPv6), ip6Of(encap.ProtoTCP, 20), tcpOf(20))
		encap.TCP(b[54:]).SetSrcPort(uint16(32768 + i))
		return b
	},
	"IPv6 host": func(i int) []byte {
		b := cat(ethOf(encap.EtherTypeIPv6), ip6Of(encap.ProtoNoNext, 0))
		encap.IPv6(b[14:]).SetSrc([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)})
		return b
	},
	"next MAC": func(i int) []byte {
		b := cat(ethOf(0x88b5), make([]byte, 46))
		encap.Ethernet(b).SetSrc(encap.MAC{2, 0x42, 10, 0, byte(i >> 8), byte(i)})
		return b
	},
}

// TestFlowHashSpreads holds the flows in 16 buckets, taken from either end of the
// hash, to a chi-square of 45: with 15 degrees of freedom a random function exceeds
// that once in 13 000 trials. Seeds are fixed, so it passes always or never.
func TestFlowHashSpreads(t *testing.T) {
	const n, buckets = 8192, 16
	for name, flow := range flows {
		for _, seed := range []uint64{0, 1, 0x9e3779b97f4a7c15} {
			var low, high [buckets]int
			for i := range n {
				h := flowHash(flow(i), seed)
				low[h%buckets]++
				high[h>>28]++
			}
			if l, h := chiSquare(low[:], n), chiSquare(high[:], n); l > 45 || h > 45 {
				t.Errorf("%s, seed %#x: chi-square %.0f of the low bits %v, %.0f of the high %v", name, seed, l, low, h, high)
			}
		}
	}
}

func chiSquare(got []int, total int) (sum float64) {
	want := float64(total) / float64(len(got))
	for _, n := range got {
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	return sum
}

// TestFlowHashReads turns over each bit of a frame: the hash follows if the bit
// identifies the flow, and stays if it does not.
func TestFlowHashReads(t *testing.T) {
	type span struct{ from, to int }
	for name, c := range map[string]struct {
		frame []byte
		flow  []span
		skip  []span // changes how the frame is read
	}{
		"TCP":  {flows["next port"](1), []span{{23, 24}, {26, 38}}, []span{{12, 15}, {16, 18}, {20, 22}}},
		"ICMP": {flows["next destination"](1), []span{{23, 24}, {26, 34}}, []span{{12, 15}, {16, 18}, {20, 22}}},
		"IPv6": {flows["IPv6 port"](1), []span{{22, 58}}, []span{{12, 15}, {18, 21}}},
		"MACs": {flows["next MAC"](1), []span{{0, 14}}, nil},
		"later fragment": {cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoUDP, 0x1003, 0, 8), udpOf(8)),
			[]span{{26, 34}}, []span{{12, 15}, {16, 18}}},
	} {
		within := func(i int, spans []span) bool {
			for _, s := range spans {
				if s.from <= i && i < s.to {
					return true
				}
			}
			return false
		}
		before := flowHash(c.frame, 1)
		for bit := range len(c.frame) * 8 {
			i := bit / 8
			if within(i, c.skip) {
				continue
			}
			c.frame[i] ^= 1 << (bit % 8)
			if changed := flowHash(c.frame, 1) != before; changed != within(i, c.flow) {
				t.Errorf("%s: bit %d of byte %d: hash changed: %v", name, bit%8, i, changed)
			}
			c.frame[i] ^= 1 << (bit % 8)
		}
	}
}

// All fragments of a datagram take the same path, whatever their headers say besides
// the addresses.
func TestFlowHashKeepsFragmentsTogether(t *testing.T) {
	data := make([]byte, 16)
	for name, fragments := range map[string][][]byte{
		"IPv4": {
			cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoUDP, 0x2000, 0, 24), udpOf(40), data),
			cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoUDP, 0x2003, 0, 16), data),
			cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoUDP, 0x0005, 0, 16), data),
		},
		"IPv6": {
			cat(ethOf(encap.EtherTypeIPv6), ip6Of(44, 40), fragOf(60, 0, true), extOf(encap.ProtoUDP, 8), udpOf(40), data),
			cat(ethOf(encap.EtherTypeIPv6), ip6Of(44, 24), fragOf(60, 32, true), data),
			cat(ethOf(encap.EtherTypeIPv6), ip6Of(44, 24), fragOf(encap.ProtoUDP, 48, false), data),
		},
	} {
		for i, f := range fragments {
			if got, want := flowHash(f, 5), flowHash(fragments[0], 5); got != want {
				t.Errorf("%s: fragment %d hashes to %#x, the first to %#x", name, i, got, want)
			}
		}
	}
}

func TestFlowHashTellsDirections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		out := drawFrame(t)
		back, seed := slices.Clone(out), rapid.Uint64().Draw(t, "seed")
		var l encap.Layers
		l.Parse(out)
		size, end := 4, l.L3+encap.IPv4MinSize // the addresses end both headers
		if l.EtherType == encap.EtherTypeIPv6 {
			size, end = 16, l.L3+encap.IPv6Size
		}
		src, dst := out[end-2*size:end-size], out[end-size:end]
		copy(back[end-2*size:], dst)
		copy(back[end-size:], src)
		if flowHash(out, seed) == flowHash(back, seed) && !bytes.Equal(src, dst) {
			t.Fatalf("% x\nand its answer hash to %#x", out, flowHash(out, seed))
		}
	})
}

// The seed alone moves every flow.
func TestFlowHashSeed(t *testing.T) {
	for name, flow := range flows {
		seen := map[uint32]uint64{}
		for seed := range uint64(1000) {
			h := flowHash(flow(1), seed)
			if other, ok := seen[h]; ok {
				t.Errorf("%s: seeds %d and %d hash alike", name, seed, other)
			}
			seen[h] = seed
		}
	}
}

// Packets captured as golden files keep the source port that they were sent from.
func TestFlowHashIsStable(t *testing.T) {
	for name, want := range map[string]uint32{
		"next port": 0x531e9cdc,
		"IPv6 host": 0x3dededcb,
		"next MAC":  0xcb72ff9a,
	} {
		if got := flowHash(flows[name](1), 42); got != want {
			t.Errorf("%s: %#x, want %#x", name, got, want)
		}
	}
}

// The hash depends on nothing but its arguments: not on what was parsed before, nor
// on what lies behind the packet.
func TestFlowHashIgnoresPadding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame, seed := drawFrame(t), rapid.Uint64().Draw(t, "seed")
		want := flowHash(frame, seed)
		if got := flowHash(append(frame, drawBytes(t, 0, 20)...), seed); got != want {
			t.Fatalf("%#x, with padding %#x", want, got)
		}
	})
}

func FuzzFlowHash(f *testing.F) {
	f.Add([]byte{}, uint64(0))
	f.Add(flows["next MAC"](1), uint64(1))
	f.Add(flows["IPv6 port"](1), uint64(1)<<63)
	f.Add(cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoTCP, 0, 0, 2), make([]byte, 2)), uint64(3))
	f.Fuzz(func(t *testing.T, frame []byte, seed uint64) {
		var l encap.Layers
		l.Parse(frame)
		h := encap.FlowHash(frame, &l, seed)
		if l.L4 == 0 || l.Fragment || l.Proto != encap.ProtoTCP && l.Proto != encap.ProtoUDP {
			return
		}
		ports := frame[l.L4 : l.L4+4]
		first := binary.BigEndian.Uint32(ports)
		for i := range uint32(8) {
			binary.BigEndian.PutUint32(ports, first+1+i)
			if encap.FlowHash(frame, &l, seed) != h {
				return
			}
		}
		t.Fatalf("nine neighbouring flows hash to %#x", h)
	})
}

// All that is done to a frame on its way, and none of it allocates.
func TestFrameWorkAllocatesNothing(t *testing.T) {
	for name, flow := range flows {
		frame, header := flow(1), make([]byte, encap.VXLANSize)
		var l encap.Layers
		n := testing.AllocsPerRun(100, func() {
			encap.PutVXLAN(header, 42)
			_, _ = encap.CheckVXLAN(header, 0)
			l.Parse(frame)
			_ = encap.FlowHash(frame, &l, 1)
			encap.SetInnerECN(frame, &l, encap.CE)
			_, _ = encap.InnerTOS(frame, &l)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations a frame", name, n)
		}
	}
}

func BenchmarkFlowHash(b *testing.B) {
	for name, flow := range map[string]string{"IPv4": "next port", "IPv6": "IPv6 port", "MAC": "next MAC"} {
		b.Run(name, func(b *testing.B) {
			frame := flows[flow](1)
			var l encap.Layers
			l.Parse(frame)
			b.ReportAllocs()
			for b.Loop() {
				_ = encap.FlowHash(frame, &l, 1)
			}
		})
	}
}
