package packet_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/packet"
	"github.com/vxtap/vxtap/encap"
)

// What the interface's MTU has no room for is refused by that reason, segments of
// superframes included; tags come on top.
func TestTooBig(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{MTU: 1400})
	for _, name := range []string{"eth1", "eth1.100"} {
		q := open(t, c.host, packet.Config{Interface: name}).Queues()[0]
		fits := udpFrame(t, stationMAC, otherMAC, hostUDP, machineUDP, pattern(1372))
		over := udpFrame(t, stationMAC, otherMAC, hostUDP, machineUDP, pattern(1373))
		super := tcpFrame(t, stationMAC, otherMAC, pattern(20000))
		for what, c := range map[string]struct {
			frame encap.Frame
			is    error
		}{
			"that fits":          {encap.Frame{Data: fits}, nil},
			"unfinished":         {unfinished(t, bytes.Clone(fits), 0), nil},
			"one more":           {encap.Frame{Data: over}, unix.EMSGSIZE},
			"one more with csum": {unfinished(t, bytes.Clone(over), 0), unix.EMSGSIZE},
			"super":              {unfinished(t, super, 1360), nil},
			"super, one more":    {unfinished(t, bytes.Clone(super), 1361), unix.EMSGSIZE},
		} {
			n, err := q.Write([]encap.Frame{c.frame, c.frame})
			if !errors.Is(err, c.is) || (n == 2) != (c.is == nil) {
				t.Errorf("%s, %s: took %d, %v", name, what, n, err)
			}
		}
	}
	q := open(t, c.host, packet.Config{Interface: "eth1"}).Queues()[0]
	write(t, q, encap.Frame{Data: tagged(udpFrame(t, stationMAC, otherMAC, hostUDP, machineUDP, pattern(1372)), encap.EtherTypeVLAN, 7)})
	write(t, q, unfinished(t, tagged(tcpFrame(t, stationMAC, otherMAC, pattern(20000)), encap.EtherTypeVLAN, 7), 1360))
}

// A frame that is longer than its buffer is counted, and those behind it are whole.
func TestTruncatedIsCounted(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1"})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	var sent []encap.Frame
	for i := range 8 {
		n := 100 + i
		if i == 2 || i == 5 {
			n = 1000
		}
		sent = append(sent, encap.Frame{Data: tagged(udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(n)), encap.EtherTypeVLAN, uint16(i+1))})
	}
	write(t, far.Queues()[0], sent...)
	r := newReader(t, near)
	for i := range r.bufs {
		r.bufs[i] = make([]byte, 500)
	}
	var got [][]byte
	must(t, r.until(func(_ int, f *encap.Frame) bool {
		if encap.Ethernet(f.Data).Src() == stationMAC {
			got = append(got, bytes.Clone(f.Data))
		}
		return len(got) == 6
	}))
	for i, want := range []int{0, 1, 3, 4, 6, 7} {
		if !bytes.Equal(got[i], sent[want].Data) {
			t.Errorf("frame %d is %x, want that of tag %d", i, got[i][:16], want+1)
		}
	}
	if n, err := near.Drops(); n != 2 || err != nil {
		t.Errorf("%d drops, %v", n, err)
	}
}

// What the kernel has no room for until it is read is counted.
func TestKernelDropsAreCounted(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1"})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	super := unfinished(t, tcpFrame(t, stationMAC, otherMAC, pattern(64000)), 1200)
	const frames = 1000
	for range frames {
		write(t, far.Queues()[0], super)
	}
	first, err := near.Drops()
	must(t, err)
	again, err := near.Drops() // the kernel forgets what it has told
	must(t, err)
	if first == 0 || first >= frames || again != first {
		t.Errorf("%d and then %d drops of %d frames", first, again, frames)
	}
	must(t, near.Close())
	if n, err := near.Drops(); n != first || err != nil {
		t.Errorf("%d drops after it was closed, %v", n, err)
	}
}

// setUp brings eth1 of the host up or down.
func (c *cable) setUp(up bool) {
	c.t.Helper()
	link, err := c.host.Netlink().LinkByName("eth1")
	must(c.t, err)
	if up {
		must(c.t, c.host.Netlink().LinkSetUp(link))
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		must(c.t, c.host.WaitUp(ctx, "eth1"))
		must(c.t, c.machine.WaitUp(ctx, "eth0")) // until then the kernel drops what it sends
		return
	}
	must(c.t, c.host.Netlink().LinkSetDown(link))
}

// An interface that goes down and comes up again is read on; while it is down frames are
// refused.
func TestDownAndUp(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1", Queues: 2})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	r := newReader(t, near)
	frame := encap.Frame{Data: udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(100))}
	for range 3 {
		c.setUp(false)
		if n, err := near.Queues()[0].Write([]encap.Frame{frame}); n != 0 || !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("while it is down: took %d, %v", n, err)
		}
		c.setUp(true)
		write(t, far.Queues()[0], frame)
		r.next(stationMAC)
	}
}

// An interface that is gone is said to be, whether it was up or not, or went to another
// namespace, and frames for it are too.
func TestGone(t *testing.T) {
	for name, goes := range map[string]func(*cable){
		"removed": func(c *cable) { must(t, c.host.DeleteLink("eth1")) },
		"removed while down": func(c *cable) {
			c.setUp(false)
			must(t, c.host.DeleteLink("eth1"))
		},
		"moved": func(c *cable) {
			link, err := c.host.Netlink().LinkByName("eth1")
			must(t, err)
			must(t, c.machine.Do(func() error {
				ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return err
				}
				defer unix.Close(ns)
				return c.host.Netlink().LinkSetNsFd(link, ns)
			}))
		},
	} {
		c := newCable(t, netlab.LinkConfig{})
		d := open(t, c.host, packet.Config{Interface: "eth1"})
		r := newReader(t, d)
		goes(c)
		err := r.until(func(int, *encap.Frame) bool { return false })
		if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "eth1 was removed") {
			t.Errorf("%s: read: %v", name, err)
		}
		frame := encap.Frame{Data: udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, nil)}
		if n, err := d.Queues()[0].Write([]encap.Frame{frame}); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: write: %d, %v", name, n, err)
		}
	}
}

// Removal is noticed too if the interface went down well before.
func TestGoneLater(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	q := d.Queues()[0]
	notified := make(chan struct{})
	q.Notify(func() { close(notified) })
	c.setUp(false)
	frames := []encap.Frame{{Data: make([]byte, encap.ReadBuffer)}}
	for n := 1; n > 0; {
		var err error
		frames[0] = encap.Frame{Data: make([]byte, encap.ReadBuffer)}
		n, err = q.Read(frames) // the socket has said all that it will
		must(t, err)
	}
	must(t, c.host.DeleteLink("eth1"))
	<-notified
	if _, err := q.Read(frames); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

// After Close calls say so.
func TestClosed(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	must(t, d.Close())
	if _, err := d.Queues()[0].Read(make([]encap.Frame, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	frame := encap.Frame{Data: udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, nil)}
	if _, err := d.Queues()[0].Write([]encap.Frame{frame}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}
