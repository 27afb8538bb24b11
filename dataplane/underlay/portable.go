package underlay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

// maxPayload is more than any UDP payload.
const maxPayload = 1 << 16

// portableSocket is the driver for every system that package net knows.
type portableSocket struct {
	listen  *portableConn
	sources []*portableConn
	ports   []uint16
	local   netip.Addr
	feature []Feature
	// blind: the TOS of what is received is not told. A mark of congestion on it would be
	// lost, so that what is sent does not ask for any (RFC 6040 section 4.1): routers drop
	// it instead, which both ends notice.
	blind  bool
	closed atomic.Bool

	got, wanted int // receive buffer

	// in receives every datagram, so that one that is too long for its buffer is
	// noticed on systems that do not say so. out gathers what is sent, and post what is
	// posted.
	in, out []byte
	posting sync.Mutex // guards post
	post    []byte
}

// openOnePortable opens a portableSocket, of which there can be only one: package net
// shares no ports.
func openOnePortable(config Config, n int) ([]driver, error) {
	if n != 1 {
		return nil, fmt.Errorf("underlay: %d queues: the portable driver has one: %w", n, errors.ErrUnsupported)
	}
	s, err := openPortable(config)
	if err != nil {
		return nil, err
	}
	return []driver{s}, nil
}

// openPortable opens a portableSocket.
func openPortable(config Config) (*portableSocket, error) {
	listen, features, err := listenPortable(config.Local)
	if err != nil {
		return nil, openError(config.Local, systemError(err))
	}
	s := &portableSocket{
		listen: listen, local: config.Local.Addr(), feature: features,
		wanted: config.ReceiveBuffer,
		in:     make([]byte, maxPayload), out: make([]byte, 0, maxPayload),
	}
	s.blind = blind(features)
	grow(listen.SetReadBuffer, config.ReceiveBuffer)
	grow(listen.SetWriteBuffer, config.SendBuffer)
	s.got = listen.receiveBuffer()

	s.sources, s.ports, err = openSources(s.local, config.Sources, func(at netip.AddrPort) (*portableConn, error) {
		c, _, err := listenPortable(at)
		if err != nil {
			return nil, systemError(err)
		}
		c.neverRead()
		grow(c.SetWriteBuffer, config.SendBuffer)
		return c, nil
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// listenPortable binds a socket, and returns it with the features of a listening one.
// Package net neither shares addresses nor takes IPv4 on IPv6 sockets here.
func listenPortable(at netip.AddrPort) (*portableConn, []Feature, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	var features []Feature
	tuned := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { features = tune(fd, at.Addr()) })
	}}
	c, err := tuned.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, nil, err
	}
	conn, more := newPortableConn(c.(*net.UDPConn), at.Addr())
	features = append(features, more...)
	for _, name := range []string{FeatureGRO, FeatureGSO, FeatureDrops} {
		features = append(features, Feature{name, errPortable})
	}
	return conn, features, nil
}

// blind reports that the TOS is missing from features, and says what that means.
func blind(features []Feature) bool {
	for i := range features {
		if f := &features[i]; f.Name == FeatureTOS && f.Err != nil {
			f.Err = fmt.Errorf("marks of congestion are not seen, and datagrams leave as not ECN-capable: %w", f.Err)
			return true
		}
	}
	return false
}

// errPortable is why a feature is missing that only the Linux driver has.
var errPortable = fmt.Errorf("the portable driver has none: %w", errors.ErrUnsupported)

// grow sets a buffer to size bytes, or to what of it the system grants.
func grow(set func(int) error, size int) {
	for size > 64<<10 && set(size) != nil {
		size /= 2
	}
}

// Recv returns one datagram a call.
func (s *portableSocket) Recv(dgrams []encap.Datagram) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	if len(dgrams) == 0 {
		return 0, nil
	}
	got, err := s.listen.read(s.in)
	if err != nil {
		return 0, fmt.Errorf("receiving: %w", systemError(err))
	}
	d := &dgrams[0]
	n := copy(d.Data, s.in[:got.len])
	*d = encap.Datagram{
		Data: d.Data[:n], Truncated: n < got.len, Source: d.Source,
		Remote: got.from, TOS: got.tos, TTL: got.ttl,
	}
	return 1, nil
}

// Poll finds nothing: package net has no read that does not wait.
func (s *portableSocket) Poll([]encap.Datagram) (int, error) { return 0, nil }

func (s *portableSocket) canPoll() bool { return false }

// Close closes all sockets; package net ends the reads and writes on them.
func (s *portableSocket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	for _, c := range s.sources {
		c.Close()
	}
	return s.listen.Close()
}

// join refuses: a socket that is bound to a group is not to be had everywhere.
func (s *portableSocket) join(netip.AddrPort, device) (func() error, error) { return nil, errPortable }

func (s *portableSocket) relink(device) error { return nil }

// allowNoChecksum refuses: package net has no such sockets.
func (s *portableSocket) allowNoChecksum() error { return errPortable }

// Drops is unknown here.
func (s *portableSocket) Drops() uint64 { return 0 }

func (s *portableSocket) name() string { return "portable" }

func (s *portableSocket) sourcePorts() []uint16 { return s.ports }

func (s *portableSocket) features() []Feature { return s.feature }

func (s *portableSocket) receiveBuffer() (got, wanted int) { return s.got, s.wanted }

func (s *portableSocket) listenPort() uint16 {
	return s.listen.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// sendsFrom implements driver.
func (s *portableSocket) sendsFrom(port uint16) bool { return slices.Contains(s.sourcePorts(), port) }
