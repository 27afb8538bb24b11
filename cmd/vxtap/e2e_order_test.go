//go:build linux

package main

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// With several queues at both ends, each flow's datagrams arrive in order, and all of
// them, both ways at a time. There are more flows than queues, so that some change their
// queue if any do.
func TestFlowsStayInOrder(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			startVXTAP(t, a, "--vni", "42", "--local", f.a, "--remote", f.b, "--queues", "2",
				"--address", innerA+"/24", "--address", innerA6+"/64")
			startVXTAP(t, b, "--vni", "42", "--local", f.b, "--remote", f.a, "--queues", "2",
				"--address", innerB+"/24", "--address", innerB6+"/64")
			ping(t, a, innerB)
			ping(t, a, innerB6)
			var flows sync.WaitGroup
			for i := range 16 {
				dst := innerB
				if i%2 == 1 {
					dst = innerB6
				}
				flows.Go(func() { echoInOrder(t, a, b, dst) })
			}
			flows.Wait()
		})
	}
}

// echoInOrder sends a flow of numbered datagrams, a few at a time, which the other end
// sends back as they come, and expects the numbers in order at both.
func echoInOrder(t *testing.T, from, to *netlab.Host, dst string) {
	const count, window = 3000, 16
	out, in := udpFlow(t, from, to, dst)
	defer out.Close()
	defer in.Close()
	deadline := time.Now().Add(limit)
	_, _ = out.SetDeadline(deadline), in.SetDeadline(deadline)
	go func() {
		buf := make([]byte, 100)
		for want := range uint32(count) {
			n, peer, err := in.ReadFrom(buf)
			if err != nil {
				return // the other end says so
			}
			if got := binary.BigEndian.Uint32(buf); got != want {
				t.Errorf("%s: datagram %d arrived where %d was due", dst, got, want)
				in.Close()
				return
			}
			if _, err := in.WriteTo(buf[:n], peer); err != nil {
				return
			}
		}
	}()
	echoed(t, out, count, window)
}

// echoed keeps a window of numbered datagrams under way.
func echoed(t *testing.T, out net.Conn, count, window uint32) {
	buf := make([]byte, 100)
	for sent, got := uint32(0), uint32(0); got < count; got++ {
		for ; sent < min(count, got+window); sent++ {
			binary.BigEndian.PutUint32(buf, sent)
			if _, err := out.Write(buf); err != nil {
				t.Errorf("datagram %d: %v", sent, err)
				return
			}
		}
		_, err := out.Read(buf)
		if n := binary.BigEndian.Uint32(buf); err != nil || n != got {
			t.Errorf("the echo of %d came where that of %d was due: %v", n, got, err)
			return
		}
	}
}
