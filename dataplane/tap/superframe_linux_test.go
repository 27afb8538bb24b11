package tap_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// segmented has a socket's datagrams cut by the kernel, or by the interface.
func segmented(t *testing.T, conn *net.UDPConn, size int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}

// carries returns the layers of frames that have a transport's payload from the kernel's
// address.
func carries(f *encap.Frame, proto uint8, from netip.Addr) (l encap.Layers, ok bool) {
	l.Parse(f.Data)
	src := from.AsSlice()
	return l, l.Proto == proto && l.Payload > 0 && l.End > l.Payload && bytes.Contains(f.Data[l.L3:l.L4], src)
}

// A UDP superframe is read as one, with all that is needed to cut it; without offloads
// its datagrams are, with finished checksums.
func TestReadUDPSuperframe(t *testing.T) {
	for _, off := range []bool{false, true} {
		h := newHost(t)
		d := h.open(tap.Config{NoOffload: off})
		r := newReader(t, d)
		for _, f := range families {
			conn := h.udp(f.thine.String())
			segmented(t, conn, 1000)
			payload := pattern(20*1000 + 500)
			if _, err := conn.WriteToUDPAddrPort(payload, f.ours); err != nil {
				t.Fatal(err)
			}
			var got []byte
			err := r.until(func(in *encap.Frame) bool {
				l, ok := carries(in, encap.ProtoUDP, f.thine.Addr())
				if !ok {
					return false
				}
				want := encap.Offload{}
				if !off {
					want = encap.Offload{
						NeedsCSUM: true, GSO: encap.GSOUDP, SegmentSize: 1000,
						CSUMStart: uint16(l.L4), CSUMOffset: 6, HeaderLen: uint16(l.Payload),
					}
				}
				if in.Offload != want {
					t.Errorf("%s, off %t: %d bytes with %+v, want %+v", f.name, off, len(in.Data), in.Offload, want)
				}
				if off && encap.VerifyChecksum(in.Data, &l) != encap.ChecksumValid {
					t.Errorf("%s: a datagram's checksum is not finished", f.name)
				}
				got = append(got, in.Data[l.Payload:l.End]...)
				return len(got) >= len(payload)
			})
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s, off %t: read %d bytes that are not the %d sent: %v", f.name, off, len(got), len(payload), err)
			}
		}
	}
}

// What a connection sends at once is read as one TCP superframe: our end is this test.
func TestReadTCPSuperframe(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			h := newHost(t)
			d := h.open(tap.Config{})
			var listener net.Listener
			h.do(func() (err error) { listener, err = net.Listen("tcp", f.thine.String()); return err })
			defer listener.Close()
			r := newReader(t, d)
			send := func(tcp *layers.TCP) {
				tcp.Window = 65535
				write(t, d.Queues()[0], encap.Frame{Data: frame(t, f.ours, f.thine, tcp, nil)})
			}
			send(&layers.TCP{SYN: true, Seq: 1000})
			answer := awaitTCP(t, r, f.ours.Port())
			send(&layers.TCP{ACK: true, Seq: 1001, Ack: answer.Seq + 1})
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			payload := pattern(5000)
			if _, err := conn.Write(payload); err != nil {
				t.Fatal(err)
			}
			err = r.until(func(in *encap.Frame) bool {
				l, ok := carries(in, encap.ProtoTCP, f.thine.Addr())
				if !ok {
					return false
				}
				o := in.Offload
				want := encap.Offload{
					NeedsCSUM: true, GSO: map[bool]encap.GSO{true: encap.GSOTCP4, false: encap.GSOTCP6}[f.ours.Addr().Is4()],
					CSUMStart: uint16(l.L4), CSUMOffset: 16, HeaderLen: uint16(l.Payload), SegmentSize: o.SegmentSize,
				}
				if o != want || o.SegmentSize == 0 || int(o.SegmentSize) >= len(payload) {
					t.Errorf("read %+v, want %+v", o, want)
				}
				if !bytes.HasPrefix(payload, in.Data[l.Payload:l.End]) || l.End-l.Payload <= int(o.SegmentSize) {
					t.Errorf("read %d bytes of payload that are not what was sent", l.End-l.Payload)
				}
				return true
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFeatures(t *testing.T) {
	for name, c := range map[string]struct {
		config tap.Config
		on     bool
	}{
		"default":    {tap.Config{}, true},
		"two queues": {tap.Config{Queues: 2}, true},
		"no offload": {tap.Config{NoOffload: true}, false},
		"portable":   {tap.Config{Portable: true}, false},
	} {
		d := newHost(t).open(c.config)
		list := d.Features()
		if want := 7 + len(d.Queues()); len(list) != want {
			t.Errorf("%s: %d features", name, len(list))
		}
		for _, f := range list {
			if (f.Err == nil) != c.on {
				t.Errorf("%s: %s: %v", name, f.Name, f.Err)
			}
		}
		for i, q := range d.Queues() {
			if (q.Offloads() != 0) != c.on || q.Offloads() != d.Queues()[0].Offloads() {
				t.Errorf("%s: queue %d takes %b", name, i, q.Offloads())
			}
		}
	}
}

// limits returns what the kernel says about superframes of vx42.
func (h *host) limits() string {
	a := h.link("vx42").Attrs()
	return fmt.Sprintf("%d segments of %d bytes, over IPv4 %d", a.GSOMaxSegs, a.GSOMaxSize, a.GSOIPv4MaxSize)
}

// Superframes are limited to what a train can carry, in any namespace, and by the MTU
// that the interface has when it is moved.
func TestSuperframeLimits(t *testing.T) {
	for mtu, want := range map[int]string{
		1450: "43 segments of 63296 bytes, over IPv4 63296",
		8950: "7 segments of 62804 bytes, over IPv4 62804",
		1280: "49 segments of 63798 bytes, over IPv4 63798",
	} {
		h := newHost(t)
		d := h.open(tap.Config{MTU: mtu})
		if got := h.limits(); got != want {
			t.Errorf("MTU %d: %s, want %s", mtu, got, want)
		}
		there := newHost(t)
		if err := d.Move(there.path()); err != nil {
			t.Fatal(err)
		}
		if got := there.limits(); got != want {
			t.Errorf("MTU %d, moved: %s, want %s", mtu, got, want)
		}
		there.do(func() error { return netlink.LinkSetMTU(there.link("vx42"), 1400) })
		if err := d.Move(h.path()); err != nil {
			t.Fatal(err)
		}
		if got, want := h.limits(), "45 segments of 63990 bytes, over IPv4 63990"; got != want {
			t.Errorf("with another MTU: %s, want %s", got, want)
		}
	}
}

// A bigger train than one send takes is cut by the kernel, not lost.
func TestLargeUDPTrain(t *testing.T) {
	h := newHost(t)
	d := h.open(tap.Config{})
	r := newReader(t, d)
	conn := h.udp(kernelUDP4.String())
	segmented(t, conn, 10)
	payload := pattern(64 * 10)
	if _, err := conn.WriteToUDPAddrPort(payload, ourUDP4); err != nil {
		t.Fatal(err)
	}
	var got []byte
	watchdog := time.AfterFunc(limit, func() { conn.Close() })
	defer watchdog.Stop()
	err := r.until(func(in *encap.Frame) bool {
		if l, ok := carries(in, encap.ProtoUDP, kernelUDP4.Addr()); ok {
			got = append(got, in.Data[l.Payload:l.End]...)
		}
		return len(got) >= len(payload)
	})
	if err != nil || !bytes.Equal(got, payload) {
		t.Errorf("read %d bytes that are not the %d sent: %v", len(got), len(payload), err)
	}
}
