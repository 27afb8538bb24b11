//go:build linux || darwin || windows

package tap

import "github.com/vxtap/vxtap/encap"

// blankEthernet writes an Ethernet header without addresses before a packet that was read
// from a TUN, which begins behind it. The packet's version says its type; of what is no IP
// packet it is zero.
func blankEthernet(frame []byte) {
	clear(frame[:encap.EthernetSize])
	switch frame[encap.EthernetSize] >> 4 {
	case 4:
		encap.Ethernet(frame).SetType(encap.EtherTypeIPv4)
	case 6:
		encap.Ethernet(frame).SetType(encap.EtherTypeIPv6)
	}
}
