//go:build linux || darwin || freebsd

package underlay

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

func (c conn4) read(b []byte) (received, error) {
	n, size, _, from, err := c.udp.ReadMsgUDPAddrPort(b, c.control)
	if err != nil {
		return received{}, err
	}
	r := received{len: n, from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
	r.readControl(c.control[:size])
	return r, nil
}

// readControl takes TOS and TTL from control messages, where they are there and whole.
func (r *received) readControl(b []byte) {
	for len(b) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		b = rest
		if h.Level != unix.IPPROTO_IP || len(data) == 0 {
			continue
		}
		value := data[0]
		if len(data) >= 4 { // an int, of Linux's TTL
			value = uint8(binary.NativeEndian.Uint32(data))
		}
		switch h.Type {
		case messageTOS:
			r.tos = value
		case messageTTL:
			r.ttl = value
		}
	}
}
