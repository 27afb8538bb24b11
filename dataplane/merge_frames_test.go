package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// conversation makes the frames of one TCP or UDP flow, one after another, each with
// complete checksums and unlike every other.
type conversation struct {
	dst, src encap.MAC
	v6, tcp  bool
	vlan     bool
	stamps   bool // TCP timestamps
	port     uint16
	tos      uint8
	flags    encap.TCPFlags // of the next frame, beside ACK

	seq   uint32
	id    uint16
	count uint32
}

// kinds are conversations of every kind that is joined, from the remote to the first
// port.
func kinds() (all []conversation) {
	for i := range 16 {
		c := conversation{dst: steppedMAC, src: remoteMAC, port: uint16(1000 + i), id: 0xfff0, seq: 0xffff_f000}
		c.v6, c.tcp, c.vlan, c.stamps = i&1 != 0, i&2 != 0, i&4 != 0, i&8 != 0
		all = append(all, c)
	}
	return all
}

func (c *conversation) name() string {
	return fmt.Sprintf("ipv6=%t,tcp=%t,vlan=%t,stamps=%t", c.v6, c.tcp, c.vlan, c.stamps)
}

// next returns the flow's next frame, with size bytes of payload.
func (c *conversation) next(size int) []byte {
	b := append(append([]byte{}, c.dst[:]...), c.src[:]...)
	if c.vlan {
		b = append(b, 0x81, 0, 0xa0, 5) // priority 5
	}
	l4 := encap.UDPSize
	proto := byte(encap.ProtoUDP)
	if c.tcp {
		l4, proto = encap.TCPMinSize, encap.ProtoTCP
		if c.stamps {
			l4 += 12
		}
	}
	b = c.network(b, proto, l4+size)
	at := len(b)
	b = append(b, make([]byte, l4+size)...)
	binary.BigEndian.PutUint16(b[at:], c.port)
	binary.BigEndian.PutUint16(b[at+2:], 4000)
	if c.tcp {
		c.putTCP(b[at:], l4)
	} else {
		encap.UDP(b[at:]).SetLength(l4 + size)
	}
	for i := range b[at+l4:] {
		b[at+l4+i] = byte(c.count>>(8*(i%4))) + byte(i/4) + byte(c.port)
	}
	c.seq += uint32(size)
	c.count++
	c.flags = 0
	finish(b)
	return b
}

func (c *conversation) network(b []byte, proto byte, length int) []byte {
	at := len(b) + 2
	if c.v6 {
		b = append(b, 0x86, 0xdd)
		b = append(b, make([]byte, encap.IPv6Size)...)
		ip := encap.PutIPv6(b[at:])
		ip.SetTrafficClass(c.tos)
		ip.SetPayloadLength(length)
		ip.SetNextHeader(proto)
		ip.SetHopLimit(64)
		ip.SetSrc([16]byte{0xfd, 15: 1})
		ip.SetDst([16]byte{0xfd, 15: 2})
		ip[3] = 9 // flow label
		return b
	}
	b = append(b, 8, 0)
	b = append(b, make([]byte, encap.IPv4MinSize)...)
	ip := encap.PutIPv4(b[at:])
	ip.SetTOS(c.tos)
	ip.SetTotalLength(encap.IPv4MinSize + length)
	ip.SetID(c.id)
	c.id++
	ip.SetTTL(64)
	ip.SetProto(proto)
	ip.SetSrc([4]byte{10, 0, 0, 1})
	ip.SetDst([4]byte{10, 0, 0, 2})
	ip.SetChecksum(^encap.Sum(ip, 0))
	return b
}

func (c *conversation) putTCP(tcp encap.TCP, size int) {
	tcp.SetSeq(c.seq)
	tcp.SetAck(7)
	tcp.SetHeaderLength(size)
	tcp.SetFlags(encap.TCPAck | c.flags)
	tcp.SetWindow(512)
	if c.stamps { // RFC 7323 appendix A
		copy(tcp[encap.TCPMinSize:], []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8})
	}
}

// finish makes the transport checksum right, and returns the offload that a sender
// would have left it with.
func finish(frame []byte) encap.Offload {
	o := leave(frame, 0)
	encap.CompleteChecksum(frame, o)
	return o
}

// leave makes the checksum partial, and returns the offload that says so; with size,
// that of a superframe.
func leave(frame []byte, size int) encap.Offload {
	var l encap.Layers
	l.Parse(frame)
	o := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: encap.TCPChecksumOffset}
	if l.Proto == encap.ProtoUDP {
		o.CSUMOffset = encap.UDPChecksumOffset
	}
	binary.BigEndian.PutUint16(frame[o.CSUMStart+o.CSUMOffset:], encap.PseudoHeader(frame, &l))
	if size == 0 {
		return o
	}
	o.SegmentSize, o.HeaderLen, o.GSO = uint16(size), uint16(l.Payload), encap.GSOTCP6
	switch {
	case l.Proto == encap.ProtoUDP:
		o.GSO = encap.GSOUDP
	case l.EtherType == encap.EtherTypeIPv4:
		o.GSO = encap.GSOTCP4
	}
	return o
}

// inWireSize cuts a frame up and finishes its checksums, as the kernel behind a port
// does before anybody sees it.
func inWireSize(t rapid.TB, f encap.Frame) (frames [][]byte) {
	t.Helper()
	data := bytes.Clone(f.Data)
	for _, b := range f.More {
		data = append(data, b...)
	}
	if f.Offload.GSO == encap.GSONone {
		if !encap.CompleteChecksum(data, f.Offload) {
			t.Fatalf("offload %+v in a frame of %d bytes", f.Offload, len(data))
		}
		return [][]byte{data}
	}
	var l encap.Layers
	var cut encap.Segmenter
	l.Parse(data)
	if !cut.Reset(data, &l, f.Offload) {
		t.Fatalf("no superframe: %+v, %+v", f.Offload, l)
	}
	for {
		header := make([]byte, encap.MaxHeader)
		n, payload, ok := cut.Next(header)
		if !ok {
			return frames
		}
		frames = append(frames, append(header[:n], payload...))
	}
}

// byFlow sorts frames by flow, each flow in the order given. Frames that belong to none
// that can be told are one flow each.
func byFlow(frames [][]byte) map[string][][]byte {
	flows := make(map[string][][]byte)
	for _, f := range frames {
		var l encap.Layers
		l.Parse(f)
		key := string(f)
		if l.L4 != 0 && (l.Proto == encap.ProtoTCP || l.Proto == encap.ProtoUDP) {
			key = string(append([]byte{byte(l.EtherType), l.Proto}, f[l.L4:l.L4+4]...))
		}
		flows[key] = append(flows[key], f)
	}
	return flows
}

// sameFlows fails the test unless both hold the same frames, each flow in order.
func sameFlows(t rapid.TB, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames came, want %d", len(got), len(want))
	}
	g := byFlow(got)
	for key, frames := range byFlow(want) {
		if len(g[key]) != len(frames) {
			t.Fatalf("flow %x: %d frames came, want %d", key, len(g[key]), len(frames))
		}
		for i := range frames {
			if !bytes.Equal(g[key][i], frames[i]) {
				t.Fatalf("flow %x, frame %d:\n got %x\nwant %x", key, i, g[key][i], frames[i])
			}
		}
	}
}

// trainOf puts frames of equal length (the last may be shorter) into one train of VNI
// 42, and returns its segment size.
func trainOf(frames ...[]byte) (data []byte, size int) {
	for _, f := range frames {
		data = append(data, vxlanOf(f)...)
	}
	return data, encap.VXLANSize + len(frames[0])
}

// receive hands the in-worker a batch of datagrams, which it finds in buffers of its
// own, and returns what the port got.
func (s *stepped) receive(t testing.TB, p *mem.Port, dgrams ...encap.Datagram) (got []encap.Frame) {
	t.Helper()
	for i, d := range dgrams {
		d.Data = s.in.dgrams[i].Data[:copy(s.in.dgrams[i].Data, d.Data)]
		d.Remote = s.n.Remotes()[0]
		s.in.dgrams[i] = d
	}
	s.in.batch(len(dgrams))
	s.conserved(t)
	for f, ok := p.TryReceive(); ok; f, ok = p.TryReceive() {
		got = append(got, f)
	}
	return got
}
