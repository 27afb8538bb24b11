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
// time, so that no queue on the way is ever full. Each has to come back, once. In which
// order is not asked: now and then a veth pair changes it, without any tunnel over it.
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
	underway := make(map[uint32]bool, flowWindow)
	var sent uint32
	for {
		for ; len(underway) < flowWindow && running(stop); sent++ {
			binary.BigEndian.PutUint32(buf, sent)
			if _, err := f.out.Write(buf); err != nil {
				f.t.Errorf("datagram %d: %v", sent, err)
				return
			}
			underway[sent] = true
		}
		if len(underway) == 0 {
			return
		}
		_, err := f.out.Read(buf)
		n := binary.BigEndian.Uint32(buf)
		if err != nil || !underway[n] {
			f.t.Errorf("datagram %d came back, where those under way are %v: %v", n, underway, err)
			return
		}
		delete(underway, n)
		f.done.Add(1)
	}
}

func (f *flow) sendBack() {
	buf := make([]byte, flowDatagram)
	for {
		n, peer, err := f.in.ReadFrom(buf)
		if err != nil {
			return // the other end says so
		}
		if _, err := f.in.WriteTo(buf[:n], peer); err != nil {
			f.t.Errorf("send a datagram back: %v", err)
			return
		}
	}
}
