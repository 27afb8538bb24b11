//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// datagramsArrive sends UDP datagrams of these sizes, one after the other, and expects
// each to arrive as it was sent.
func datagramsArrive(t *testing.T, from, to *netlab.Host, dst string, sizes ...int) {
	t.Helper()
	out, in := udpFlow(t, from, to, dst)
	defer out.Close()
	defer in.Close()
	for _, size := range sizes {
		sent := noise(size)
		_, err := out.Write(sent)
		check(t, err)
		expect(t, in, sent)
	}
}

// trainArrives hands the kernel bytes to be cut into datagrams of the same size, the
// last of which may be shorter, and expects them all in order.
func trainArrives(t *testing.T, from, to *netlab.Host, dst string, total, size int) {
	t.Helper()
	out, in := udpFlow(t, from, to, dst)
	defer out.Close()
	defer in.Close()
	withSocket(t, out, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size)
	})
	sent := noise(total)
	_, err := out.Write(sent)
	check(t, err)
	for len(sent) > 0 {
		n := min(size, len(sent))
		expect(t, in, sent[:n])
		sent = sent[n:]
	}
}

// udpFlow opens a socket on each host, and connects the first to the second.
func udpFlow(t *testing.T, from, to *netlab.Host, dst string) (out net.Conn, in net.PacketConn) {
	t.Helper()
	in, err := to.ListenPacket("udp", net.JoinHostPort(dst, "0"))
	check(t, err)
	out, err = from.DialContext(within(t), "udp", in.LocalAddr().String())
	if err != nil {
		in.Close()
		t.Fatal(err)
	}
	return out, in
}

// expect reads the next datagram and compares it.
func expect(t *testing.T, in net.PacketConn, want []byte) {
	t.Helper()
	check(t, in.SetReadDeadline(time.Now().Add(limit)))
	buf := make([]byte, 1<<16)
	n, _, err := in.ReadFrom(buf)
	if err != nil {
		t.Fatalf("a datagram of %d bytes: %v", len(want), err)
	}
	if !bytes.Equal(buf[:n], want) {
		t.Fatalf("a datagram of %d bytes arrived as another of %d", len(want), n)
	}
}

// withSocket calls f with a socket's descriptor.
func withSocket(t *testing.T, socket any, f func(fd int) error) {
	t.Helper()
	raw, err := socket.(syscall.Conn).SyscallConn()
	check(t, err)
	check(t, raw.Control(func(fd uintptr) { err = f(int(fd)) }))
	check(t, err)
}

// noise makes a payload like no other. It is text, in which nobody recognizes another
// protocol.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(rand.IntN(26))
	}
	return b
}
