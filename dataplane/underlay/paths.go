package underlay

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/vxtap/vxtap/encap"
)

// FeatureICMP has routers heard that refuse datagrams as too big; see [OpenPaths].
const FeatureICMP = "icmp"

// Paths hears routers that refuse datagrams, and knows what this host itself refuses.
//
// The kernel keeps path MTUs too, but believes more than it should: an ICMP error that
// quotes an echo request of this host's, which anybody can make up, changes it for all
// traffic. So the sockets of the Linux driver do not follow it, as long as routers can be
// heard here; otherwise, they do.
type Paths struct {
	local  netip.Addr
	queues []*Socket
	icmp   net.PacketConn
	failed error // why there is none
	buffer [reportSize]byte

	asking sync.Mutex
	asker  asker

	once   sync.Once
	closed chan struct{}
}

// reportSize holds a whole report, which its checksum covers. Routers quote some 500 bytes
// of an IPv4 packet and 1200 of an IPv6 packet.
const reportSize = 2048

// OpenPaths watches the paths of queues that were opened together, in the network
// namespace of the calling thread. To hear routers it needs CAP_NET_RAW, and the Linux
// driver.
func OpenPaths(queues []*Socket) (*Paths, error) {
	p := &Paths{local: queues[0].local.Addr(), queues: queues, closed: make(chan struct{})}
	p.icmp, p.failed = hearRouters(p.local, queues)
	if err := p.asker.open(p.local, p.failed == nil); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Feature says whether routers are heard, and why not.
func (p *Paths) Feature() Feature { return Feature{FeatureICMP, p.failed} }

// Next blocks until a router has refused a datagram that came from one of our sockets.
// Where routers cannot be heard that is for ever. After Close the error is net.ErrClosed.
func (p *Paths) Next() (encap.PathReport, error) {
	for p.icmp != nil {
		n, _, err := p.icmp.ReadFrom(p.buffer[:])
		select {
		case <-p.closed:
			return encap.PathReport{}, net.ErrClosed
		default:
		}
		if err != nil {
			continue // about something that was received before; the socket is never sent from
		}
		if r, ok := p.parse(p.buffer[:n]); ok {
			return r, nil
		}
	}
	<-p.closed
	return encap.PathReport{}, net.ErrClosed
}

// parse reads a report, and reports whether it is about a datagram of ours.
func (p *Paths) parse(message []byte) (r encap.PathReport, ok bool) {
	if p.local.Is4() {
		r, ok = encap.ParsePathReport4(message)
	} else {
		r, ok = encap.ParsePathReport6(message)
	}
	return r, ok && r.Local.Addr() == p.local.WithZone("") && p.sendFrom(r.Local.Port())
}

// sendFrom reports whether a port is one of ours.
func (p *Paths) sendFrom(port uint16) bool {
	return port == p.queues[0].local.Port() ||
		slices.ContainsFunc(p.queues, func(q *Socket) bool { return q.driver.sendsFrom(port) })
}

// MTU returns the largest IP packet in bytes that this host sends to a remote: the MTU of
// the interface that leads there, or, where routers cannot be heard, what the kernel has
// heard of them.
func (p *Paths) MTU(remote netip.Addr) (int, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	return p.asker.ask(p.local, remote)
}

// Way describes how packets to a remote leave this host, as its routes have it now. It is the
// same text for as long as it is the same way; empty if there is none, or nobody to ask.
func (p *Paths) Way(remote netip.Addr) string {
	p.asking.Lock()
	defer p.asking.Unlock()
	return p.asker.way(p.local, remote)
}

// Close ends a Next that is under way.
func (p *Paths) Close() (err error) {
	p.once.Do(func() {
		close(p.closed)
		if p.icmp != nil {
			err = p.icmp.Close()
		}
		p.asking.Lock()
		defer p.asking.Unlock()
		p.asker.close()
	})
	return err
}
