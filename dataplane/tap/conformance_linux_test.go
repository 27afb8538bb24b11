package tap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// Both drivers keep the same contract.
func TestDrivers(t *testing.T) {
	for _, portable := range []bool{false, true} {
		for _, queues := range []int{1, 2} {
			c := tap.Config{Portable: portable, Queues: queues}
			t.Run(fmt.Sprintf("portable=%v/queues=%d", portable, queues), func(t *testing.T) {
				t.Run("write", func(t *testing.T) { testWrite(t, c) })
				t.Run("gathered", func(t *testing.T) { testGathered(t, c) })
				t.Run("read", func(t *testing.T) { testRead(t, c) })
				t.Run("small buffer", func(t *testing.T) { testSmallBuffer(t, c) })
				t.Run("down", func(t *testing.T) { testDown(t, c) })
				t.Run("close", func(t *testing.T) { testClose(t, c) })
				t.Run("deleted", func(t *testing.T) { testDeleted(t, c) })
				t.Run("concurrent", func(t *testing.T) { testConcurrent(t, c) })
				t.Run("runt", func(t *testing.T) { testRunt(t, c) })
			})
		}
	}
}

// families are the two ends in IPv4 and in IPv6.
var families = []struct {
	name        string
	ours, thine netip.AddrPort
}{{"ipv4", ourUDP4, kernelUDP4}, {"ipv6", ourUDP6, kernelUDP6}}

// Complete frames written to any queue reach a socket in the namespace. The socket is
// bound at once, to an address that no duplicate detection may hold back.
func testWrite(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	for _, f := range families {
		conn := h.udp(f.thine.String())
		for i, q := range d.Queues() {
			want := bytes.Repeat([]byte{byte(i)}, 1000)
			write(t, q, encap.Frame{Data: frame(t, f.ours, f.thine, &layers.UDP{}, want)})
			expect(t, conn, want)
		}
	}
}

// expect receives one datagram.
func expect(t *testing.T, conn *net.UDPConn, want []byte) {
	t.Helper()
	got := make([]byte, 65536)
	n, err := conn.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:n], want) {
		t.Fatalf("received %d bytes that are not the %d sent", n, len(want))
	}
}

// A frame in as many pieces as are allowed is one frame; in one more it is refused, as
// far as the driver has a limit.
func testGathered(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	conn := h.udp(kernelUDP4.String())
	want := bytes.Repeat([]byte("0123456789"), tap.MaxSlices)
	whole := frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, want)
	f := encap.Frame{Data: whole[:42]}
	for i := range tap.MaxSlices {
		f.More = append(f.More, whole[42+10*i:][:10])
	}
	write(t, d.Queues()[0], f)
	expect(t, conn, want)

	f.More = append(f.More, nil)
	if n, err := d.Queues()[0].Write([]encap.Frame{f}); !c.Portable && (n != 0 || !errors.Is(err, errors.ErrUnsupported)) {
		t.Errorf("a frame in %d pieces: took %d, %v", 1+len(f.More), n, err)
	}
}

// Frames that the kernel sends are read in order, complete or with what is missing
// described, across more batches than one.
func testRead(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	for _, f := range families {
		conn := h.udp(f.thine.String())
		r := newReader(t, d)
		const count = 100
		for i := range count {
			if _, err := conn.WriteToUDPAddrPort(binary.BigEndian.AppendUint32([]byte("read"), uint32(i)), f.ours); err != nil {
				t.Fatal(err)
			}
		}
		next := uint32(0)
		err := r.until(func(got *encap.Frame) bool {
			var l encap.Layers
			l.Parse(got.Data)
			if l.Proto != encap.ProtoUDP || !bytes.HasPrefix(got.Data[l.Payload:], []byte("read")) {
				return false // the kernel's own: neighbour and router discovery
			}
			checkRead(t, got, &l, c.Portable)
			if i := binary.BigEndian.Uint32(got.Data[l.Payload+4:]); i != next {
				t.Fatalf("got datagram %d, want %d", i, next)
			}
			next++
			return next == count
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkRead holds what was read against the contract and against its own headers.
func checkRead(t *testing.T, got *encap.Frame, l *encap.Layers, portable bool) {
	t.Helper()
	if got.More != nil {
		t.Error("Read set More")
	}
	if got.Offload.NeedsCSUM == portable {
		t.Errorf("offload %+v", got.Offload)
	}
	if got.Offload.NeedsCSUM {
		want := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: 6}
		if got.Offload != want {
			t.Errorf("offload %+v, want %+v", got.Offload, want)
		}
		if !encap.CompleteChecksum(got.Data, got.Offload) {
			t.Error("the checksum cannot be completed")
		}
	}
	if s := encap.VerifyChecksum(got.Data, l); s != encap.ChecksumValid {
		t.Errorf("checksum of a frame that was read: %v", s)
	}
}

// A frame that does not fit its buffer is dropped and counted; the next one is read.
func testSmallBuffer(t *testing.T, c tap.Config) {
	h := newHost(t)
	c.Queues = 1
	d := h.open(c)
	conn := h.udp(kernelUDP4.String())
	before, err := d.Drops()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{bytes.Repeat([]byte("long"), 100), []byte("short")} {
		if _, err := conn.WriteToUDPAddrPort(b, ourUDP4); err != nil {
			t.Fatal(err)
		}
	}
	r := newReader(t, d)
	r.size = 400
	err = r.until(func(got *encap.Frame) bool {
		if bytes.Contains(got.Data, []byte("long")) {
			t.Error("a frame was cut to its buffer")
		}
		return bytes.HasSuffix(got.Data, []byte("short"))
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := d.Drops()
	if err != nil {
		t.Fatal(err)
	}
	if after != before+1 {
		t.Errorf("%d drops, want 1", after-before)
	}
}

// While the interface is down frames are refused, and it works again when it is up.
func testDown(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	link := h.link("vx42")
	f := encap.Frame{Data: frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, []byte("up again"))}
	h.do(func() error { return netlink.LinkSetDown(link) })
	n, err := d.Queues()[0].Write([]encap.Frame{f})
	if n != 0 || !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "vx42") {
		t.Errorf("write while down: took %d, %v", n, err)
	}
	h.do(func() error { return netlink.LinkSetUp(link) })
	conn := h.udp(kernelUDP4.String())
	write(t, d.Queues()[0], f)
	expect(t, conn, []byte("up again"))
}

// Close removes the interface and only then do the queues say so.
func testClose(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if h.hasLink("vx42") {
		t.Error("the interface is still there")
	}
	checkClosed(t, d)
	if _, err := d.Drops(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Drops of a closed device: %v", err)
	}
}

// checkClosed wants net.ErrClosed from every queue, naming the device.
func checkClosed(t *testing.T, d *tap.Device) {
	t.Helper()
	for _, q := range d.Queues() {
		frames := []encap.Frame{{Data: make([]byte, encap.ReadBuffer)}}
		_, rerr := q.Read(frames)
		_, werr := q.Write([]encap.Frame{{Data: make([]byte, 60)}})
		for _, err := range []error{rerr, werr} {
			if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "vx42") {
				t.Errorf("got error %v", err)
			}
		}
	}
}

// A device that somebody removes while its reader waits wakes the reader.
func testDeleted(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	r := newReader(t, d)
	deleted := make(chan error)
	link := h.link("vx42")
	go func() {
		var err error
		h.do(func() error { err = netlink.LinkDel(link); return nil })
		deleted <- err
	}()
	err := r.until(func(*encap.Frame) bool { return false })
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "vx42") {
		t.Errorf("got error %v", err)
	}
}

// What is no Ethernet frame is refused, and what is behind it can be written.
func testRunt(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	conn := h.udp(kernelUDP4.String())
	good := encap.Frame{Data: frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, []byte("good"))}
	frames := []encap.Frame{good, {Data: make([]byte, 13)}, good}
	n, err := d.Queues()[0].Write(frames)
	if n != 1 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("took %d, %v", n, err)
	}
	write(t, d.Queues()[0], frames[2:]...)
	expect(t, conn, []byte("good"))
	expect(t, conn, []byte("good"))
}

// Many write to one queue, and one reads it, while it is closed under them: all of them
// end with net.ErrClosed and nothing else.
func testConcurrent(t *testing.T, c tap.Config) {
	h := newHost(t)
	d := h.open(c)
	var all sync.WaitGroup
	started := make(chan struct{}, 100)
	loop := func(step func() error) {
		all.Go(func() {
			for i := 0; ; i++ {
				if err := step(); errors.Is(err, net.ErrClosed) {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
				if i == 10 {
					started <- struct{}{}
				}
			}
		})
	}
	writers := 4
	for _, q := range d.Queues() {
		for range writers {
			f := encap.Frame{Data: frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, []byte("many"))}
			loop(func() error { _, err := q.Write([]encap.Frame{f, f}); return err })
		}
		buf, frames := make([]byte, encap.ReadBuffer), make([]encap.Frame, 1)
		loop(func() error {
			frames[0].Data = buf
			_, err := q.Read(frames)
			return err
		})
	}
	for range len(d.Queues()) * (writers + 1) {
		<-started
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	if h.hasLink("vx42") {
		t.Error("the interface is still there")
	}
}
