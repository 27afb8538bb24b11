package encap_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/encap"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// tooBig returns the answer to a frame, nil if there is none.
func tooBig(frame []byte, o encap.Offload, mtu int) []byte {
	var l encap.Layers
	l.Parse(frame)
	b := make([]byte, encap.MaxTooBig)
	return b[:encap.PutTooBig(b, frame, &l, o, mtu)]
}

// The checksums were worked out by another program.
func TestTooBigKnownAnswers(t *testing.T) {
	tests := map[string]struct{ frame, answer string }{
		"IPv4, tagged": {
			`020000000002 020000000001 8100 0005 0800
			 4500001c 12344000 4011 149b 0a000001 0a000002 1000 2000 0008 0000`,
			`020000000001 020000000002 8100 0005 0800
			 45000038 00004000 4001 26c3 0a000002 0a000001
			 0304 c76f 0000 0584
			 4500001c 12344000 4011 149b 0a000001 0a000002 1000 2000 0008 0000`,
		},
		"IPv6": {
			`020000000002 020000000001 86dd
			 60000000 0008 11 40 fd000000000000000000000000000001 fd000000000000000000000000000002
			 1000 2000 0008 0000`,
			`020000000001 020000000002 86dd
			 60000000 0038 3a 40 fd000000000000000000000000000002 fd000000000000000000000000000001
			 0200 62af 00000584
			 60000000 0008 11 40 fd000000000000000000000000000001 fd000000000000000000000000000002
			 1000 2000 0008 0000`,
		},
	}
	for name, test := range tests {
		if got, want := tooBig(unhex(test.frame), encap.Offload{}, 0x584), unhex(test.answer); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
}

// bigPackets are packets of each kind with 1400 bytes of payload, DF set.
func bigPackets(t *testing.T) map[string][]byte {
	all := make(map[string][]byte)
	for _, p := range packetKinds() {
		p.payload = payloadOf(1400)
		frame, l := p.frame(t)
		if !p.v6 {
			setDF(frame, &l)
		}
		all[p.name] = frame
	}
	return all
}

func setDF(frame []byte, l *encap.Layers) {
	ip := encap.IPv4(frame[l.L3:l.L4])
	ip.SetDontFragment()
	ip.SetChecksum(0)
	ip.SetChecksum(^encap.Sum(ip, 0))
}

// decoded checks lengths and checksums of an answer by gopacket, and returns what it
// quotes.
func decoded(t *testing.T, answer []byte, mtu int) (quote []byte) {
	t.Helper()
	p := gopacket.NewPacket(answer, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("gopacket: %v", e.Error())
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	switch {
	case p.Layer(layers.LayerTypeICMPv4) != nil:
		ip, m := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4), p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		if m.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || int(m.Seq) != mtu || m.Id != 0 {
			t.Errorf("gopacket reads %v, MTU %d", m.TypeCode, m.Seq)
		}
		if ip.Length > 576 {
			t.Errorf("a packet of %d bytes", ip.Length)
		}
		quote = m.Payload
		again(t, buf, opts, answer, ip, m, gopacket.Payload(quote))
	case p.Layer(layers.LayerTypeICMPv6) != nil:
		ip, m := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6), p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		if m.TypeCode != layers.CreateICMPv6TypeCode(2, 0) {
			t.Errorf("gopacket reads %v", m.TypeCode)
		}
		if len(m.Payload) < 4 || ip.Length+40 > 1280 {
			t.Fatalf("%d bytes of payload in a packet of %d", len(m.Payload), ip.Length+40)
		}
		if got := int(m.Payload[2])<<8 | int(m.Payload[3]); got != mtu {
			t.Errorf("MTU %d, want %d", got, mtu)
		}
		if err := m.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		quote = m.Payload[4:]
		again(t, buf, opts, answer, ip, m, gopacket.Payload(m.Payload))
	default:
		t.Fatalf("gopacket sees no ICMP: %v", p)
	}
	return quote
}

// again has gopacket write the layers, and compares.
func again(t *testing.T, buf gopacket.SerializeBuffer, opts gopacket.SerializeOptions, answer []byte, parts ...gopacket.SerializableLayer) {
	t.Helper()
	if err := gopacket.SerializeLayers(buf, opts, parts...); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(answer, buf.Bytes()) {
		t.Errorf("gopacket would write\n%x, not\n%x", buf.Bytes(), answer)
	}
}

func TestTooBigQuotesAsMuchAsFits(t *testing.T) {
	for name, frame := range bigPackets(t) {
		t.Run(name, func(t *testing.T) {
			var l, back encap.Layers
			l.Parse(frame)
			answer := tooBig(frame, encap.Offload{}, 1300)
			back.Parse(answer)
			if back.Tags != l.Tags || !bytes.Equal(answer[12:l.L3], frame[12:l.L3]) {
				t.Errorf("tags %x, want %x", answer[12:back.L3], frame[12:l.L3])
			}
			eth, was := encap.Ethernet(answer), encap.Ethernet(frame)
			if eth.Dst() != was.Src() || eth.Src() != was.Dst() {
				t.Errorf("from %v to %v", eth.Src(), eth.Dst())
			}
			quote := decoded(t, answer, 1300)
			want := 576 - 20 - 8
			if l.EtherType == encap.EtherTypeIPv6 {
				want = 1280 - 40 - 8
			}
			if len(quote) != want || !bytes.Equal(quote, frame[l.L3:l.L3+want]) {
				t.Errorf("%d bytes quoted, want the first %d", len(quote), want)
			}
		})
	}
}

// Of a superframe the first segment is quoted, with the lengths that it would have had.
func TestTooBigQuotesTheFirstSegment(t *testing.T) {
	const size = 300
	for _, p := range packetKinds() {
		p.payload = payloadOf(3000)
		frame, o := p.partial(t)
		var l encap.Layers
		l.Parse(frame)
		if !p.v6 {
			setDF(frame, &l)
		}
		o.GSO, o.SegmentSize = p.gso(), size
		quote := decoded(t, tooBig(frame, o, 1280), 1280)
		want := l.Payload + size - l.L3
		length := int(quote[2])<<8 | int(quote[3])
		if p.v6 {
			length = 40 + int(quote[4])<<8 | int(quote[5])
		} else if encap.Sum(quote[:l.L4-l.L3], 0) != 0xffff {
			t.Errorf("%s: the quoted header's checksum is wrong", p.name)
		}
		if len(quote) != want || length != want && !p.v6 {
			t.Errorf("%s: %d bytes quoted, of a length of %d, want %d", p.name, len(quote), length, want)
		}
		if p.v6 && int(quote[4])<<8|int(quote[5]) != want-40 {
			t.Errorf("%s: a payload length of %x, want %d", p.name, quote[4:6], want-40)
		}
	}
}

func TestTooBigIsNotAnswered(t *testing.T) {
	frame4, frame6 := bigPackets(t)["udp4"], bigPackets(t)["udp6"]
	icmp4 := func(kind byte) func([]byte) { return func(b []byte) { b[23], b[34] = encap.ProtoICMP, kind } }
	icmp6 := func(kind byte) func([]byte) { return func(b []byte) { b[20], b[54] = encap.ProtoICMPv6, kind } }
	src4 := func(first byte) func([]byte) { return func(b []byte) { b[26] = first } }
	dst4 := func(first byte) func([]byte) { return func(b []byte) { b[30] = first } }
	src6 := func(a ...byte) func([]byte) { return func(b []byte) { clear(b[22:38]); copy(b[38-len(a):], a) } }
	tests := []struct {
		name     string
		frame    []byte
		mtu      int
		change   func([]byte)
		answered bool
	}{
		{"", frame4, 68, func([]byte) {}, true},
		{"IPv4 with an MTU that it does not have", frame4, 67, func([]byte) {}, false},
		{"IPv4 that may be fragmented", frame4, 1300, func(b []byte) { b[20] = 0 }, false},
		{"the first fragment", frame4, 1300, func(b []byte) { b[20] = 0x60 }, true},
		{"another fragment", frame4, 1300, func(b []byte) { b[21] = 1 }, false},
		{"to a group's MAC", frame4, 1300, func(b []byte) { b[0] = 1 }, false},
		{"to everybody", frame4, 1300, func(b []byte) { copy(b, "\xff\xff\xff\xff\xff\xff") }, false},
		{"from a group's MAC", frame4, 1300, func(b []byte) { b[6] = 3 }, false},
		{"from nobody", frame4, 1300, src4(0), false},
		{"from the loopback", frame4, 1300, src4(127), false},
		{"from a group", frame4, 1300, src4(224), false},
		{"from class E", frame4, 1300, src4(255), false},
		{"to a group", frame4, 1300, dst4(239), false},
		{"echo request", frame4, 1300, icmp4(8), true},
		{"unreachable", frame4, 1300, icmp4(3), false},
		{"source quench", frame4, 1300, icmp4(4), false},
		{"redirect", frame4, 1300, icmp4(5), false},
		{"time exceeded", frame4, 1300, icmp4(11), false},
		{"parameter problem", frame4, 1300, icmp4(12), false},
		{"malformed IPv4", frame4, 1300, func(b []byte) { b[14] = 0x44 }, false},
		{"ARP", frame4, 1300, func(b []byte) { b[13] = 6 }, false},

		{"IPv6", frame6, 1280, func([]byte) {}, true},
		{"IPv6 with an MTU that it does not have", frame6, 1279, func([]byte) {}, false},
		{"IPv6 from nobody", frame6, 1300, src6(), false},
		{"IPv6 from the loopback", frame6, 1300, src6(1), false},
		{"IPv6 from a group", frame6, 1300, func(b []byte) { b[22] = 0xff }, false},
		{"IPv6 to a group", frame6, 1300, func(b []byte) { b[38] = 0xff }, false},
		{"IPv6 echo request", frame6, 1300, icmp6(128), true},
		{"IPv6 unreachable", frame6, 1300, icmp6(1), false},
		{"IPv6 packet too big", frame6, 1300, icmp6(2), false},
		{"IPv6 redirect", frame6, 1300, icmp6(137), false},
		{"IPv6, the first fragment", frame6, 1300, func(b []byte) { b[20] = 44; copy(b[54:], "\x11\x00\x00\x01") }, true},
		{"IPv6, another fragment", frame6, 1300, func(b []byte) { b[20] = 44; copy(b[54:], "\x11\x00\x01\x01") }, false},
	}
	for _, test := range tests {
		frame := bytes.Clone(test.frame)
		test.change(frame)
		if got := len(tooBig(frame, encap.Offload{}, test.mtu)) > 0; got != test.answered {
			t.Errorf("%s: answered %v", test.name, got)
		}
	}
}

// FuzzTooBig: whatever comes, an answer is as long as it may be, and is never answered.
func FuzzTooBig(f *testing.F) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(600)
		frame, l := p.frame(f)
		if !p.v6 {
			setDF(frame, &l)
		}
		f.Add(frame, uint16(1300), uint16(100), byte(encap.GSOTCP4))
		f.Add(frame, uint16(1300), uint16(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, frame []byte, mtu, size uint16, gso byte) {
		answer := tooBig(frame, encap.Offload{GSO: encap.GSO(gso), SegmentSize: size}, int(mtu))
		if len(answer) == 0 {
			return
		}
		var l encap.Layers
		l.Parse(answer)
		if l.L3 == 0 || l.End != len(answer) || l.L4 == 0 {
			t.Fatalf("malformed: %x", answer)
		}
		if len(tooBig(answer, encap.Offload{}, 1280)) != 0 {
			t.Fatalf("an answer was answered: %x", answer)
		}
	})
}

func TestTooBigAllocatesNothing(t *testing.T) {
	for name, frame := range bigPackets(t) {
		var l encap.Layers
		l.Parse(frame)
		b := make([]byte, encap.MaxTooBig)
		if n := testing.AllocsPerRun(10, func() { encap.PutTooBig(b, frame, &l, encap.Offload{}, 1300) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// report is the ICMP message, from its header on, with which a router refuses the IP packet
// of a frame.
func report(frame []byte, mtu int) []byte {
	answer := tooBig(frame, encap.Offload{}, mtu)
	if len(answer) == 0 {
		return nil
	}
	var l encap.Layers
	l.Parse(answer)
	return answer[l.L4:]
}

func TestPathReport(t *testing.T) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(1400)
		frame, l := p.frame(t)
		parse := encap.ParsePathReport6
		if !p.v6 {
			setDF(frame, &l)
			parse = encap.ParsePathReport4
		}
		message := report(frame, 1300)
		r, ok := parse(message)
		if ours := p.udp && len(p.route.header) == 0; ok != ours {
			t.Errorf("%s: %+v, %v", p.name, r, ok)
		}
		if !ok {
			continue
		}
		udp := encap.UDP(frame[l.L4:])
		src, dst := fmt.Sprint(udp.SrcPort()), fmt.Sprint(udp.DstPort())
		if r.MTU != 1300 || r.Size != l.End-l.L3 || fmt.Sprint(r.Local.Port()) != src || fmt.Sprint(r.Remote.Port()) != dst {
			t.Errorf("%s: %+v, want ports %s and %s, size %d", p.name, r, src, dst, l.End-l.L3)
		}
		address := func(b []byte) string { return string(b) }
		if a := address(r.Local.Addr().AsSlice()) + address(r.Remote.Addr().AsSlice()); !bytes.Contains(frame, []byte(a)) {
			t.Errorf("%s: from %v to %v", p.name, r.Local, r.Remote)
		}
		quoted := bytes.Index(message, frame[l.L4:l.L4+encap.UDPSize]) + encap.UDPSize
		if head := frame[l.Payload : l.Payload+len(r.Head)]; !bytes.Equal(r.Head[:], head) {
			t.Errorf("%s: head %x, want %x", p.name, r.Head, head)
		}
		for i := range len(message) {
			cut := bytes.Clone(message[:i]) // and does not panic
			if !p.v6 && i >= encap.ICMPSize {
				cut[2], cut[3] = 0, 0
				binary.BigEndian.PutUint16(cut[2:], ^encap.Sum(cut, 0))
			}
			r, ok := parse(cut)
			if whole := r.Head != [encap.PathReportHead]byte{}; ok != (i >= quoted) || whole != (i >= quoted+len(r.Head)) {
				t.Errorf("%s: %d bytes of payload: %+v, %v", p.name, i-quoted, r, ok)
			}
		}
		if _, ok := parse(report(frame, l.End-l.L3)); ok {
			t.Errorf("%s: a report that it would have fitted was taken", p.name)
		}
		if message[9] ^= 1; !p.v6 {
			if _, ok := parse(message); ok {
				t.Errorf("%s: a report with a wrong checksum was taken", p.name)
			}
		}
	}
	small := bigPackets(t)["udp6"]
	message := report(small, 1280)
	message[6], message[7] = 1279>>8, 1279&0xff
	if r, ok := encap.ParsePathReport6(message); ok {
		t.Errorf("%+v was taken", r)
	}
}
