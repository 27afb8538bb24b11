//go:build linux

package main

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// flow is datagrams with numbers that one end sends and the other sends back, a few at a
// time, so that no queue on the way is ever full. Each has to arrive, once and in order.
type flow struct {
	t    *testing.T
	out  net.Conn       // of the end that counts
	in   net.PacketConn // of the one that sends back
	done atomic.Uint32  // datagrams that are back
}

const (
	flowWindow   = 16
	flowDatagram = 400 // bytes
)

func newFlow(t *testing.T, from, to *netlab.Host, dst string) *flow {
	t.Helper()
	f := &flow{t: t}
	f.out, f.in = udpFlow(t, from, to, dst)
	t.Cleanup(func() {
		f.out.Close()
		f.in.Close()
	})
	return f
}

// run keeps datagrams under way until it is told to stop, and waits for the last.
func (f *flow) run(stop <-chan struct{}) {
	deadline := time.Now().Add(limit)
	_, _ = f.out.SetDeadline(deadline), f.in.SetDeadline(deadline)
	var back sync.WaitGroup
	back.Go(f.sendBack)
	f.count(stop)
	f.in.Close()
	back.Wait()
}

func (f *flow) count(stop <-chan struct{}) {
	buf := make([]byte, flowDatagram)
	var sent uint32
	for got := uint32(0); ; got++ {
		for ; sent < got+flowWindow && running(stop); sent++ {
			binary.BigEndian.PutUint32(buf, sent)
			if _, err := f.out.Write(buf); err != nil {
				f.t.Errorf("datagram %d: %v", sent, err)
				return
			}
		}
		if got == sent {
			return
		}
		_, err := f.out.Read(buf)
		if n := binary.BigEndian.Uint32(buf); err != nil || n != got {
			f.t.Errorf("the echo of %d came where that of %d was due: %v", n, got, err)
			return
		}
		f.done.Store(got + 1)
	}
}

func (f *flow) sendBack() {
	buf := make([]byte, flowDatagram)
	for want := uint32(0); ; want++ {
		n, peer, err := f.in.ReadFrom(buf)
		if err != nil {
			return // the other end says so
		}
		if got := binary.BigEndian.Uint32(buf); got != want {
			f.t.Errorf("datagram %d arrived where %d was due", got, want)
			return
		}
		if _, err := f.in.WriteTo(buf[:n], peer); err != nil {
			f.t.Errorf("send datagram %d back: %v", want, err)
			return
		}
	}
}
