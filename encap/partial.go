package encap

import "encoding/binary"

// CompleteChecksum finishes a checksum that was left to the network card, in place, and
// reports false if the offload points outside the frame. Without NeedsCSUM there is
// nothing to do. A superframe gets the checksum of one packet; [Segmenter] makes those
// of its segments.
func CompleteChecksum(frame []byte, o Offload) bool {
	if !o.NeedsCSUM {
		return true
	}
	start := int(o.CSUMStart)
	at := start + int(o.CSUMOffset)
	if at+2 > len(frame) {
		return false
	}
	// The field is part of what is summed, and holds the sum of the pseudo-header.
	checksum := ^Sum(frame[start:], 0)
	if o.CSUMOffset == UDPChecksumOffset {
		checksum = nonZero(checksum)
	}
	binary.BigEndian.PutUint16(frame[at:], checksum)
	return true
}

// nonZero returns a checksum in the other of the two forms of zero if it is zero: 0 in
// the field of a UDP header would say that there is no checksum (RFC 768). TCP sends 0:
// receivers take both, but tools that recompute the checksum report 0xffff as wrong.
func nonZero(checksum uint16) uint16 {
	if checksum == 0 {
		return 0xffff
	}
	return checksum
}

// RecognizeOffload returns what the sender of a frame has left undone when the frame
// came without saying so: from the kernel's VXLAN on the other side of a veth or virtio
// link, which passes frames and superframes through as its own stack made them.
//
// A checksum field that holds the sum of the pseudo-header is a partial checksum. Of
// complete checksums one in 65536 looks like that too; finishing it gives the same
// checksum again, so nothing is lost but that it was not verified. Frames with a complete
// checksum, fragments, and whatever is neither TCP nor UDP have nothing to do.
//
// The frame is a superframe if it is partial and its payload exceeds hint, the segment
// size that came with it in bytes of transport payload (UDP_GRO), or 0. As the kernel
// gives none for TCP, so is TCP in an IP packet longer than mtu, the port's, less its
// VLAN tags, which the tunnel has no more room for; its segments are as long as that
// allows. A large UDP packet without a hint is one datagram, and cutting it up would
// make several.
//
// In a superframe the lengths, that of the pseudo-header and that in a UDP header too,
// are those of the whole: Linux makes it so (udp_send_skb, tcp_gro_complete), and its
// segmentation, which corrects the checksum by their difference, relies on it.
//
// ECN is never set: nothing tells whose CWR it is, see [Offload].
func RecognizeOffload(frame []byte, l *Layers, hint uint16, mtu int) Offload {
	length := l.transportLength(frame)
	if length == 0 || length != l.End-l.L4 {
		return Offload{}
	}
	checksum := transportChecksum(frame[l.L4:], l.Proto)
	if checksum != pseudoHeader(frame, l, length) || l.Payload > 0xffff {
		return Offload{}
	}
	o := Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: TCPChecksumOffset}
	if l.Proto == ProtoUDP {
		o.CSUMOffset = UDPChecksumOffset
	}
	if size := segmentSize(l, hint, mtu); size > 0 {
		o.GSO, o.SegmentSize, o.HeaderLen = l.gso(), size, uint16(l.Payload)
	}
	return o
}

// segmentSize returns the payload of each segment of a superframe, or 0 if the frame is
// none.
func segmentSize(l *Layers, hint uint16, mtu int) uint16 {
	if hint > 0 && l.End-l.Payload > int(hint) {
		return hint
	}
	if room := mtu - (l.Payload - EthernetSize); l.Proto == ProtoTCP && l.End-l.Payload > room && room > 0 {
		return uint16(room) // less than the packet, which is less than 64 KB
	}
	return 0
}

// gso returns the kind of superframe that a TCP or UDP packet can be.
func (l *Layers) gso() GSO {
	switch {
	case l.Proto == ProtoUDP:
		return GSOUDP
	case l.EtherType == EtherTypeIPv4:
		return GSOTCP4
	}
	return GSOTCP6
}

// Unfinish makes a TCP superframe that came with finished checksums, as network cards merge
// them, one whose checksum is to be finished, and returns what is left to do on it. Segment
// is the transport payload of its segments in bytes. Other frames stay as they are. Layers
// are the caller's to lend; they are those of the frame then.
func Unfinish(frame []byte, l *Layers, segment uint16) Offload {
	l.Parse(frame)
	sum := PseudoHeader(frame, l)
	if sum == 0 || l.Proto != ProtoTCP || l.Payload == 0 {
		return Offload{}
	}
	TCP(frame[l.L4:]).SetChecksum(sum)
	return RecognizeOffload(frame, l, segment, MaxMTU)
}
