package encap

// GroupMAC4 returns the MAC of an IPv4 multicast group: its lower 23 bits (RFC 1112
// section 6.4).
func GroupMAC4(group [4]byte) MAC {
	return MAC{0x01, 0x00, 0x5e, group[1] & 0x7f, group[2], group[3]}
}

// GroupMAC6 returns the MAC of an IPv6 multicast group: its lower 32 bits (RFC 2464
// section 7).
func GroupMAC6(group [16]byte) MAC {
	return MAC{0x33, 0x33, group[12], group[13], group[14], group[15]}
}

// AllNodes is the group of all IPv6 nodes on a link (RFC 4291 section 2.7.1).
var AllNodes = [16]byte{0: 0xff, 1: 0x02, 15: 1}

// SolicitedNode returns the group in which nodes are asked whether they have an address
// (RFC 4291 section 2.7.1).
func SolicitedNode(a [16]byte) [16]byte {
	return [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]}
}

// LinkLocal returns the link-local address that a station has by its MAC (RFC 4291
// appendix A).
func LinkLocal(m MAC) [16]byte {
	return [16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]}
}
