package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// drawND draws a message that may be.
func drawND(t *rapid.T) (m encap.ND) {
	address := rapid.Custom(func(t *rapid.T) [16]byte {
		a := [16]byte(drawBytes(t, 16, 16))
		a[0] = 0x20 | a[0]&0x0f
		return a
	})
	m = encap.ND{Type: encap.NDSolicitation, Src: address.Draw(t, "src"), Dst: address.Draw(t, "dst"), Target: address.Draw(t, "target")}
	if rapid.Bool().Draw(t, "link") {
		m.Link = encap.MAC(drawBytes(t, 6, 6))
	}
	if rapid.Bool().Draw(t, "advertisement") {
		m.Type = encap.NDAdvertisement
		m.Router, m.Solicited, m.Override = rapid.Bool().Draw(t, "R"), rapid.Bool().Draw(t, "S"), rapid.Bool().Draw(t, "O")
		return m
	}
	if rapid.Bool().Draw(t, "probe") {
		m.Src, m.Link, m.Dst = [16]byte{}, encap.MAC{}, encap.SolicitedNode(m.Target)
	}
	return m
}

// What is written is read back, by us and by gopacket, and has the checksum that gopacket
// computes.
func TestND(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawND(t)
		b := drawBytes(t, encap.MaxNDSize, encap.MaxNDSize) // what was there before does not matter
		packet := b[:encap.PutND(b, &want)]
		got, ok := encap.ParseND(packet)
		if !ok || got != want {
			t.Fatalf("% x is %+v, %t; want %+v", packet, got, ok, want)
		}
		if padded, ok := encap.ParseND(append(bytes.Clone(packet), 1, 2, 3)); !ok || padded != want {
			t.Fatalf("padded: %+v, %t", padded, ok)
		}
		p := gopacket.NewPacket(packet, layers.LayerTypeIPv6, gopacket.Default)
		if p.ErrorLayer() != nil {
			t.Fatal(p.ErrorLayer().Error())
		}
		checkND(t, p, &want)
		v6 := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
		icmp := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		sum := binary.BigEndian.Uint16(packet[encap.IPv6Size+2:])
		if err := icmp.SetNetworkLayerForChecksum(v6); err != nil {
			t.Fatal(err)
		}
		out := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(out, gopacket.SerializeOptions{ComputeChecksums: true}, icmp, gopacket.Payload(icmp.Payload)); err != nil {
			t.Fatal(err)
		}
		if again := binary.BigEndian.Uint16(out.Bytes()[2:]); again != sum {
			t.Fatalf("checksum %#x, gopacket has %#x", sum, again)
		}
	})
}

// checkND compares a message with what gopacket reads.
func checkND(t *rapid.T, p gopacket.Packet, want *encap.ND) {
	v6 := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if v6.HopLimit != 255 || !bytes.Equal(v6.SrcIP, want.Src[:]) || !bytes.Equal(v6.DstIP, want.Dst[:]) {
		t.Fatalf("gopacket reads %+v", v6)
	}
	var target []byte
	var options layers.ICMPv6Options
	kind := layers.ICMPv6OptSourceAddress
	if want.Type == encap.NDSolicitation {
		m := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
		target, options = m.TargetAddress, m.Options
	} else {
		m := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
		target, options, kind = m.TargetAddress, m.Options, layers.ICMPv6OptTargetAddress
		if m.Router() != want.Router || m.Solicited() != want.Solicited || m.Override() != want.Override {
			t.Fatalf("gopacket reads flags %#x", m.Flags)
		}
	}
	if !bytes.Equal(target, want.Target[:]) || (len(options) == 1) == want.Link.IsZero() {
		t.Fatalf("gopacket reads target %x, options %v", target, options)
	}
	if len(options) == 1 && (options[0].Type != kind || !bytes.Equal(options[0].Data, want.Link[:])) {
		t.Fatalf("gopacket reads option %v", options[0])
	}
}

// Whatever RFC 4861 has a node discard is discarded.
func TestNDInvalid(t *testing.T) {
	good := encap.ND{
		Type: encap.NDSolicitation, Link: encap.MAC{2, 0, 0, 0, 0, 1},
		Src: [16]byte{0: 0xfd, 15: 1}, Dst: [16]byte{0: 0xfd, 15: 2}, Target: [16]byte{0: 0xfd, 15: 2},
	}
	const icmp = encap.IPv6Size
	edit := func(change func(b []byte)) func(*encap.ND) []byte {
		return func(m *encap.ND) []byte {
			b := make([]byte, encap.MaxNDSize)
			b = b[:encap.PutND(b, m)]
			change(b)
			fixChecksum(b)
			return b
		}
	}
	fields := func(change func(m *encap.ND)) func(*encap.ND) []byte {
		return func(m *encap.ND) []byte {
			change(m)
			return edit(func([]byte) {})(m)
		}
	}
	group := [16]byte{0: 0xff, 1: 2, 15: 5}
	for name, c := range map[string]func(*encap.ND) []byte{
		"hop limit":          edit(func(b []byte) { b[7] = 254 }),
		"code":               edit(func(b []byte) { b[icmp+1] = 1 }),
		"version":            edit(func(b []byte) { b[0] = 0x40 }),
		"another type":       edit(func(b []byte) { b[icmp] = 134 }),
		"option without end": edit(func(b []byte) { b[icmp+25] = 0 }),
		"option too long":    edit(func(b []byte) { b[icmp+25] = 2 }),
		"half an option":     edit(func(b []byte) { b[5] -= 4 }),
		"too short":          edit(func(b []byte) { b[5] = 23 }),
		"target is a group":  fields(func(m *encap.ND) { m.Target = group }),
		"source is a group":  fields(func(m *encap.ND) { m.Src = group }),
		"probe with a link":  fields(func(m *encap.ND) { m.Src, m.Dst = [16]byte{}, encap.SolicitedNode(m.Target) }),
		"probe to one":       fields(func(m *encap.ND) { m.Src, m.Link = [16]byte{}, encap.MAC{} }),
		"answer to a group":  fields(func(m *encap.ND) { m.Type, m.Dst, m.Solicited = encap.NDAdvertisement, group, true }),
		"answer from nobody": fields(func(m *encap.ND) { m.Type, m.Src = encap.NDAdvertisement, [16]byte{} }),
	} {
		m := good
		if got, ok := encap.ParseND(c(&m)); ok {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
	b := make([]byte, encap.MaxNDSize)
	encap.PutND(b, &good)
	for i := range b {
		b[i] ^= 1
		if _, ok := encap.ParseND(b); ok && i >= 8 { // traffic class and flow label are not looked at
			t.Errorf("byte %d may be another", i)
		}
		b[i] ^= 1
		if _, ok := encap.ParseND(b[:i]); ok {
			t.Errorf("taken with %d bytes", i)
		}
	}
	if _, ok := encap.ParseND(b); !ok {
		t.Error("what is good is not taken")
	}
}

// fixChecksum sets the checksum of an ICMPv6 packet, as long as it says it is.
func fixChecksum(b []byte) {
	end := min(encap.IPv6Size+int(b[4])<<8+int(b[5]), len(b))
	message := b[encap.IPv6Size:end]
	message[2], message[3] = 0, 0
	pseudo := encap.Sum(b[8:40], encap.AddSums(uint16(len(message)), encap.ProtoICMPv6))
	binary.BigEndian.PutUint16(message[2:], ^encap.Sum(message, pseudo))
}

// FuzzND: any bytes may be asked whether they are a message. One that is taken is the same
// after it is written again.
func FuzzND(f *testing.F) {
	b := make([]byte, encap.MaxNDSize)
	for _, m := range []encap.ND{
		{Type: encap.NDSolicitation, Src: [16]byte{0xfd}, Target: [16]byte{0xfd, 1}, Link: encap.MAC{2}},
		{Type: encap.NDSolicitation, Dst: encap.SolicitedNode([16]byte{0xfd}), Target: [16]byte{0xfd}},
		{Type: encap.NDAdvertisement, Src: [16]byte{0xfd}, Dst: [16]byte{0xfd, 1}, Target: [16]byte{0xfd}, Solicited: true},
	} {
		f.Add(b[:encap.PutND(b, &m)], true)
		f.Add(b[:encap.IPv6Size+8], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		b = bytes.Clone(b)
		if fix && len(b) >= encap.IPv6Size+4 && int(b[4])<<8+int(b[5]) >= 4 {
			fixChecksum(b)
		}
		m, ok := encap.ParseND(b)
		if !ok {
			if m != (encap.ND{}) && !encap.IsND(b) {
				t.Fatalf("%+v of what is none", m)
			}
			return
		}
		if !encap.IsND(b) {
			t.Fatal("read from what is none")
		}
		out := make([]byte, encap.MaxNDSize)
		again, ok := encap.ParseND(out[:encap.PutND(out, &m)])
		if !ok || again != m {
			t.Fatalf("%+v is %+v, %t", m, again, ok)
		}
	})
}

// FuzzARP: any bytes may be asked whether they are a packet, which lies inside of them.
func FuzzARP(f *testing.F) {
	b := make([]byte, encap.ARPSize)
	encap.PutARP(b, encap.ARPRequest)
	f.Add(b)
	f.Add(append(b, make([]byte, 18)...))
	f.Add(b[:27])
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := encap.ParseARP(b)
		if !ok {
			return
		}
		out := make([]byte, encap.ARPSize)
		encap.PutARP(out, a.Operation())
		encap.ARP(out).SetSender(a.SenderMAC(), a.SenderIP())
		encap.ARP(out).SetTarget(a.TargetMAC(), a.TargetIP())
		if !bytes.Equal(out, b[:encap.ARPSize]) {
			t.Fatalf("% x is % x", b, out)
		}
		var want layers.ARP
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatalf("gopacket does not take it: %v", err)
		}
	})
}
