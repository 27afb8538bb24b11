package tap_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// A partial checksum is finished by the kernel: the socket gets the datagram, which a
// wrong one would keep from it. The same frame without the offload does not arrive.
func TestWriteNeedsChecksum(t *testing.T) {
	h := newHost(t)
	q := h.open(tap.Config{}).Queues()[0]
	for _, f := range families {
		conn := h.udp(f.thine.String())
		partial := unfinished(t, frame(t, f.ours, f.thine, &layers.UDP{}, []byte("partial")), 0)
		naked := partial
		naked.Offload = encap.Offload{}
		last := encap.Frame{Data: frame(t, f.ours, f.thine, &layers.UDP{}, []byte("last"))}
		write(t, q, naked, partial, last)
		expect(t, conn, []byte("partial"))
		expect(t, conn, []byte("last"))
	}
}

// A UDP superframe in one piece or many is received as its datagrams.
func TestWriteUDPSuperframe(t *testing.T) {
	h := newHost(t)
	q := h.open(tap.Config{}).Queues()[0]
	if !q.Offloads().Takes(encap.Offload{NeedsCSUM: true, GSO: encap.GSOUDP}) {
		t.Fatal("this kernel is said not to take UDP superframes")
	}
	for _, f := range families {
		conn := h.udp(f.thine.String())
		payload := pattern(20*1000 + 500)
		whole := unfinished(t, frame(t, f.ours, f.thine, &layers.UDP{}, payload), 1000)
		write(t, q, whole, gathered(whole, 1000))
		for range 2 {
			for rest := payload; len(rest) > 0; {
				n := min(1000, len(rest))
				expect(t, conn, rest[:n])
				rest = rest[n:]
			}
		}
	}
}

// pattern returns n bytes in which no two stretches are alike for long.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// gathered is a superframe with each segment's payload but the first in a slice of
// its own.
func gathered(f encap.Frame, size int) encap.Frame {
	cut := int(f.Offload.HeaderLen) + size
	rest := f.Data[cut:]
	f.Data = f.Data[:cut:cut]
	for len(rest) > 0 {
		n := min(size, len(rest))
		f.More = append(f.More, rest[:n])
		rest = rest[n:]
	}
	return f
}

// A TCP superframe is what a connection receives: our end is this test, which shakes
// hands by hand and sends 30 KB in one frame.
func TestWriteTCPSuperframe(t *testing.T) {
	for _, f := range families {
		for _, ecn := range []bool{false, true} {
			t.Run(f.name, func(t *testing.T) { testTCPSuperframe(t, f.ours, f.thine, ecn) })
		}
	}
}

func testTCPSuperframe(t *testing.T, ours, thine netip.AddrPort, ecn bool) {
	h := newHost(t)
	d := h.open(tap.Config{})
	var listener net.Listener
	h.do(func() (err error) { listener, err = net.Listen("tcp", thine.String()); return err })
	defer listener.Close()
	received := make(chan []byte, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(limit))
		b, _ := io.ReadAll(conn)
		received <- b
	}()

	q := d.Queues()[0]
	send := func(tcp *layers.TCP, payload []byte, segment int) {
		tcp.Window = 65535
		f := unfinished(t, frame(t, ours, thine, tcp, payload), segment)
		f.Offload.ECN = tcp.CWR
		write(t, q, f)
	}
	payload := pattern(30_300)
	send(&layers.TCP{SYN: true, Seq: 1000}, nil, 0)
	answer := awaitTCP(t, newReader(t, d), ours.Port())
	if !answer.SYN || !answer.ACK || answer.Ack != 1001 {
		t.Fatalf("the kernel answered %+v", answer)
	}
	send(&layers.TCP{ACK: true, Seq: 1001, Ack: answer.Seq + 1}, nil, 0)
	send(&layers.TCP{ACK: true, PSH: true, CWR: ecn, Seq: 1001, Ack: answer.Seq + 1}, payload, 1000)
	send(&layers.TCP{ACK: true, FIN: true, Seq: 1001 + uint32(len(payload)), Ack: answer.Seq + 1}, nil, 0)
	if got := <-received; !bytes.Equal(got, payload) {
		t.Errorf("the connection received %d bytes that are not the %d sent", len(got), len(payload))
	}
}

// awaitTCP returns the next TCP header sent to port.
func awaitTCP(t *testing.T, r *reader, port uint16) (tcp *layers.TCP) {
	t.Helper()
	err := r.until(func(f *encap.Frame) bool {
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.Default)
		tcp, _ = p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		return tcp != nil && uint16(tcp.DstPort) == port
	})
	if err != nil {
		t.Fatal(err)
	}
	return tcp
}

// Offloads that do not fit their frame are refused before the kernel is asked, take
// back no promise, and spoil nothing behind them.
func TestWriteBadOffload(t *testing.T) {
	h := newHost(t)
	q := h.open(tap.Config{}).Queues()[0]
	promised := q.Offloads()
	good := unfinished(t, frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, pattern(3000)), 1000)
	bad := map[string]func(*encap.Offload){
		"checksum before the packet": func(o *encap.Offload) { o.CSUMStart = 13 },
		"checksum behind the frame":  func(o *encap.Offload) { o.CSUMStart = 65535 },
		"offset behind the frame":    func(o *encap.Offload) { o.CSUMOffset = 65535 },
		"not UDP's checksum":         func(o *encap.Offload) { o.CSUMOffset = 16 },
		"no checksum":                func(o *encap.Offload) { o.NeedsCSUM = false },
		"no segment size":            func(o *encap.Offload) { o.SegmentSize = 0 },
		"headers too short":          func(o *encap.Offload) { o.HeaderLen = 41 },
		"headers too long":           func(o *encap.Offload) { o.HeaderLen = 65535 },
	}
	for name, spoil := range bad {
		f := good
		spoil(&f.Offload)
		if n, err := q.Write([]encap.Frame{f}); n != 0 || !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: took %d, %v", name, n, err)
		}
	}
	if q.Offloads() != promised {
		t.Errorf("offloads shrank to %b", q.Offloads())
	}
	write(t, q, good)
}

// The portable driver says that it takes no offloads, and does not.
func TestPortableTakesNoOffload(t *testing.T) {
	h := newHost(t)
	q := h.open(tap.Config{Portable: true}).Queues()[0]
	f := unfinished(t, frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, nil), 0)
	if n, err := q.Write([]encap.Frame{f}); n != 0 || !errors.Is(err, errors.ErrUnsupported) || q.Offloads() != 0 {
		t.Errorf("took %d, %v; offloads %b", n, err, q.Offloads())
	}
}
