package dataplane

import "github.com/vxtap/vxtap/encap"

// answers tells those who sent frames that are too big for the tunnel what would fit,
// with ICMP errors inside the overlay. Each worker has its own.
type answers struct {
	second uint32 // of the VTEP's clock
	given  int    // in it
	one    [1]encap.Frame
	bytes  [encap.MaxTooBig]byte
}

// maxAnswers bounds how many a worker gives in a second: net.ipv4.icmp_msgs_per_sec of
// Linux.
const maxAnswers = 1000

// tooBig answers a frame of port p that does not fit mtu bytes of underlay packet, through
// the port's queue as if the answer had come out of the tunnel. A port that does not take it
// loses nothing that its host would not ask for again.
func (a *answers) tooBig(p *port, queue int, out *outgoing, mtu int, now uint32) {
	if now != a.second {
		a.second, a.given = now, 0
	}
	if a.given == maxAnswers {
		return
	}
	fits := out.network.overlayMTU(mtu, int(out.layers.Tags))
	n := encap.PutTooBig(a.bytes[:], out.frame.Data, out.layers, out.frame.Offload, fits)
	if n == 0 {
		return
	}
	a.given++
	a.one[0] = encap.Frame{Data: a.bytes[:n]}
	if sent, _ := p.queues[queue].Write(a.one[:]); sent == 1 {
		out.network.out[queue].answers.Add(1)
	}
}
