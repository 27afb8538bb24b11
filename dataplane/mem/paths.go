package mem

import (
	"net"
	"net/netip"
	"sync"

	"github.com/vxtap/vxtap/encap"
)

// Paths says of a VTEP's paths what it is told to. NewPaths makes one.
type Paths struct {
	reports chan encap.PathReport
	closed  chan struct{}
	once    sync.Once

	mu   sync.Mutex
	mtus map[netip.Addr]int
	ways map[netip.Addr]string
}

// NewPaths returns paths of which nothing is known.
func NewPaths() *Paths {
	return &Paths{
		reports: make(chan encap.PathReport),
		closed:  make(chan struct{}),
		mtus:    make(map[netip.Addr]int),
		ways:    make(map[netip.Addr]string),
	}
}

// Report has Next return r, and waits until it did or the paths are closed.
func (p *Paths) Report(r encap.PathReport) {
	select {
	case p.reports <- r:
	case <-p.closed:
	}
}

// SetMTU has MTU return an MTU for a remote.
func (p *Paths) SetMTU(remote netip.Addr, mtu int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mtus[remote] = mtu
}

// Next returns what is reported. After Close the error is [net.ErrClosed].
func (p *Paths) Next() (encap.PathReport, error) {
	select {
	case r := <-p.reports:
		return r, nil
	case <-p.closed:
		return encap.PathReport{}, net.ErrClosed
	}
}

// MTU returns what was set for a remote, or that of Ethernet.
func (p *Paths) MTU(remote netip.Addr) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mtu, ok := p.mtus[remote]; ok {
		return mtu, nil
	}
	return 1500, nil
}

// SetWay has Way return a text for a remote.
func (p *Paths) SetWay(remote netip.Addr, way string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ways[remote] = way
}

// Way returns what was set for a remote.
func (p *Paths) Way(remote netip.Addr) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ways[remote]
}

// Close ends Next. It may be called again.
func (p *Paths) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}
