package mem

import "github.com/vxtap/vxtap/encap"

// steer returns the queue of n that d is for, by the rule that package underlay gives the
// kernel: sealed data and keepalives go by the sender's queue, handshakes to queue 0, and
// of all else it reports false. What is too short for the rule goes to queue 0, and a
// train by its first datagram, as there.
func steer(d *encap.Datagram, n int) (queue int, steered bool) {
	kind, ok := byteAt(d, 0)
	if !ok {
		return 0, true
	}
	switch kind {
	case encap.SealedData, encap.SealedKeepalive:
		sender, _ := byteAt(d, encap.SealedQueueOffset)
		return int(sender) % n, true
	case encap.SealedInitiation, encap.SealedResponse, encap.SealedCookie:
		return 0, true
	}
	return 0, false
}

// byteAt returns the byte at an offset of a gathered payload, if it is as long.
func byteAt(d *encap.Datagram, at int) (byte, bool) {
	if at < len(d.Data) {
		return d.Data[at], true
	}
	at -= len(d.Data)
	for _, b := range d.More {
		if at < len(b) {
			return b[at], true
		}
		at -= len(b)
	}
	return 0, false
}
