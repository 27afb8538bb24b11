package netlab_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

func TestTransfer(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	for _, addr := range []netip.Addr{addrB, addrB6} {
		const want = 10<<20 + 12345 // not a whole number of blocks
		var last int64
		res, err := netlab.Transfer(within(t), a, b, netip.AddrPortFrom(addr, 5001), netlab.TransferConfig{
			Bytes:  want,
			Verify: true,
			Progress: func(n int64) {
				if n <= last {
					t.Errorf("progress went from %d to %d", last, n)
				}
				last = n
			},
		})
		if err != nil || res.Bytes != want || last != want || res.Elapsed <= 0 || res.Rate() <= 0 {
			t.Errorf("to %v: %+v, progress to %d, %v", addr, res, last, err)
		}
	}
	res, err := netlab.Transfer(within(t), b, a, netip.AddrPortFrom(addrA, 0), netlab.TransferConfig{Duration: 50 * time.Millisecond})
	if err != nil || res.Bytes == 0 || res.Elapsed < 50*time.Millisecond {
		t.Errorf("for a while: %+v, %v", res, err)
	}
}

func TestTransferFails(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	dst := netip.AddrPortFrom(addrB, 0)
	if _, err := netlab.Transfer(within(t), a, b, dst, netlab.TransferConfig{}); err == nil {
		t.Error("neither bytes nor a duration, no error")
	}
	if _, err := netlab.Transfer(within(t), a, b, dst, netlab.TransferConfig{Bytes: 1, Duration: 1}); err == nil {
		t.Error("bytes and a duration, no error")
	}
	if _, err := netlab.Transfer(within(t), a, b, netip.AddrPortFrom(addrA, 0), netlab.TransferConfig{Bytes: 1}); err == nil {
		t.Error("listened at an address of another host")
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := netlab.Transfer(ctx, a, b, dst, netlab.TransferConfig{
		Duration: limit,
		Progress: func(int64) { cancel() },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSockets(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	server, err := b.ListenPacket("udp", "10.9.0.2:0")
	check(t, err)
	defer server.Close()
	client, err := a.DialContext(within(t), "udp", server.LocalAddr().String())
	check(t, err)
	defer client.Close()
	_, err = client.Write([]byte("hello"))
	check(t, err)
	check(t, server.SetDeadline(time.Now().Add(limit)))
	buf := make([]byte, 10)
	n, from, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" || from.String() != client.LocalAddr().String() {
		t.Errorf("read %q from %v, %v", buf[:n], from, err)
	}

	for _, address := range []string{"localhost:80", "10.9.0.2", ":80"} {
		if _, err := a.DialContext(within(t), "tcp", address); err == nil {
			t.Errorf("dialled %q", address)
		}
		if ln, err := a.Listen("tcp", address); err == nil {
			ln.Close()
			t.Errorf("listened at %q", address)
		}
	}
}

func TestCapture(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	c, err := b.Capture("eth0", nil)
	check(t, err)
	_, err = a.Ping(within(t), addrB, 1, 100)
	check(t, err)
	icmp := func(out bool) func(netlab.Frame) bool {
		return func(f netlab.Frame) bool { return f.Outgoing == out && len(f.Data) == 14+20+8+100 }
	}
	request, err := c.Wait(within(t), icmp(false))
	check(t, err)
	reply, err := c.Wait(within(t), icmp(true))
	check(t, err)
	if request.Data[34] != 8 || reply.Data[34] != 0 || !bytes.Equal(request.Data[:6], reply.Data[6:12]) || reply.Time.IsZero() {
		t.Errorf("request %x, reply %x", request.Data, reply.Data)
	}
	if n, err := c.Dropped(); n != 0 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(netlab.Frame) bool { return false }
	if _, err := c.Wait(cancelled, never); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait, cancelled: %v", err)
	}
	check(t, c.Close())
	check(t, c.Close())
	if _, err := c.Wait(within(t), never); err == nil {
		t.Error("Wait for a frame that cannot come: no error")
	}
	if _, err := c.Dropped(); err != nil {
		t.Errorf("Dropped after Close: %v", err)
	}
	if _, err := b.Capture("eth9", nil); err == nil {
		t.Error("captured on an interface that is not there")
	}
}

// The kernel takes VLAN tags off what it hands to a capture; they are put back.
func TestCaptureKeepsVLANTags(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	c, err := b.Capture("eth0", nil)
	check(t, err)
	defer c.Close()
	for _, tags := range []int{1, 2} {
		sent := taggedFrame(t, tags)
		inject(t, a, "eth0", sent)
		got, err := c.Wait(within(t), func(f netlab.Frame) bool { return bytes.HasSuffix(f.Data, sent[len(sent)-40:]) })
		if err != nil || !bytes.Equal(got.Data, sent) {
			t.Errorf("%d tags: captured %x, sent %x, %v", tags, got.Data, sent, err)
		}
	}
}

func taggedFrame(t *testing.T, tags int) []byte {
	t.Helper()
	eth := &layers.Ethernet{
		SrcMAC: []byte{2, 0, 0, 0, 0, 9}, DstMAC: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EthernetType: layers.EthernetTypeDot1Q,
	}
	all := []gopacket.SerializableLayer{eth}
	for i := range tags {
		tag := &layers.Dot1Q{Priority: 5, VLANIdentifier: uint16(100 + i), Type: layers.EthernetTypeDot1Q}
		if i == tags-1 {
			tag.Type = 0x88b5 // for local experiments (IEEE 802)
		}
		all = append(all, tag)
	}
	all = append(all, gopacket.Payload(bytes.Repeat([]byte{byte(tags)}, 60)))
	buf := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{}, all...))
	return buf.Bytes()
}

// inject puts a frame on an interface of h.
func inject(t *testing.T, h *netlab.Host, ifname string, frame []byte) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	check(t, h.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index})
	}))
}
