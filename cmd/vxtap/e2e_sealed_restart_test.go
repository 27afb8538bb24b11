//go:build linux

package main

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// A sealed vxtap that is killed under load and started again is heard by its peer without
// anyone else being told; also if both are killed at once.
func TestSealedRestart(t *testing.T) {
	t.Parallel()
	p := sealedLink{family: families[0], way: "both"}.up(t)
	check(t, transferTo(within(t), p.a, p.b, innerB))
	there, back := newLoad(t, p.a, p.b), newLoad(t, p.b, p.a)
	during(func() {
		there.arrives("before")
		back.arrives("before")
		p.vb.kill()
		p.vb = startVXTAP(t, p.b, p.argsB...)
		there.arrives("after one was killed")
		back.arrives("after one was killed")

		check(t, p.va.cmd.Process.Kill())
		check(t, p.vb.cmd.Process.Kill())
		p.va.waitExit()
		p.vb.waitExit()
		p.va, p.vb = startVXTAP(t, p.a, p.argsA...), startVXTAP(t, p.b, p.argsB...)
		there.arrives("after both were killed")
		back.arrives("after both were killed")
	}, there.run, back.run)
	check(t, transferTo(within(t), p.a, p.b, innerB))
	for _, v := range []*child{p.va, p.vb} {
		if k := v.peerKeys(); k.State != "secure" {
			t.Errorf("peer %+v", k)
		}
	}
}

// load is numbered datagrams from a socket of one host to one of the other, whose overlay
// may be gone for a while.
type load struct {
	t       *testing.T
	out, in net.PacketConn
	to      net.Addr
	sent    atomic.Uint64
	arrived atomic.Uint64 // the greatest number that did
	from    *netlab.Host
}

// newLoad has the sockets bound to no address, as those of the overlay come and go.
func newLoad(t *testing.T, from, to *netlab.Host) *load {
	t.Helper()
	l := &load{t: t, from: from}
	var err error
	l.out, err = from.ListenPacket("udp4", "0.0.0.0:0")
	check(t, err)
	t.Cleanup(func() { l.out.Close() })
	l.in, err = to.ListenPacket("udp4", "0.0.0.0:0")
	check(t, err)
	t.Cleanup(func() { l.in.Close() })
	dst := map[string]string{"a": innerA, "b": innerB}[to.Name()]
	l.to = &net.UDPAddr{IP: net.ParseIP(dst), Port: l.in.LocalAddr().(*net.UDPAddr).Port}
	return l
}

// run sends until it is told to stop. While there is no overlay, sending fails.
func (l *load) run(stop <-chan struct{}) {
	got := make(chan struct{})
	go func() {
		defer close(got)
		l.receive()
	}()
	buf := make([]byte, 1000)
	for running(stop) {
		binary.BigEndian.PutUint64(buf, l.sent.Add(1))
		_, _ = l.out.WriteTo(buf, l.to)
	}
	l.in.Close()
	<-got
}

func (l *load) receive() {
	buf := make([]byte, 2000)
	for {
		if _, _, err := l.in.ReadFrom(buf); err != nil {
			return
		}
		l.arrived.Store(binary.BigEndian.Uint64(buf))
	}
}

// arrives waits for a datagram that is sent from now on.
func (l *load) arrives(when string) {
	l.t.Helper()
	now := l.sent.Load()
	eventually(l.t, "datagrams arrive from host "+l.from.Name()+" "+when, func() bool { return l.arrived.Load() > now })
}
