package packet_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/packet"
	"github.com/vxtap/vxtap/encap"
)

// Frames to anybody cross byte for byte, both ways and in order; what a device writes
// itself it does not read, nor what the host sends through the interface.
func TestFramesCross(t *testing.T) {
	for _, queues := range []int{1, 3} {
		c := newCable(t, netlab.LinkConfig{A: []netip.Prefix{hostIP}, B: []netip.Prefix{machineIP}})
		near := open(t, c.host, packet.Config{Interface: "eth1", Queues: queues})
		far := open(t, c.machine, packet.Config{Interface: "eth0", Queues: queues})
		r := newReader(t, near)
		own := udpFrame(t, otherMAC, stationMAC, hostUDP, machineUDP, []byte("ours"))
		conn := udp(t, c.host, hostUDP)
		for i := range 20 {
			write(t, near.Queues()[i%queues], encap.Frame{Data: own})
			if _, err := conn.WriteToUDPAddrPort([]byte("the host's"), machineUDP); err != nil {
				t.Fatal(err)
			}
			want := udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(i*50))
			write(t, far.Queues()[0], encap.Frame{Data: want})
			must(t, r.until(func(_ int, f *encap.Frame) bool {
				switch src := encap.Ethernet(f.Data).Src(); {
				case src == otherMAC || src == near.MAC():
					t.Errorf("%d queues: our own frame came back: %x", queues, f.Data)
				case src == stationMAC:
					if !bytes.Equal(f.Data, want) || f.Offload != (encap.Offload{}) {
						t.Errorf("frame %d came as %x, %+v", i, f.Data, f.Offload)
					}
					return true
				}
				return false
			}))
		}
	}
}

// A frame goes to one queue, which is always the same for a flow and for its answers.
func TestQueuesShareFlows(t *testing.T) {
	const queues, flows, rounds = 4, 64, 5
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1", Queues: queues})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	for i := range flows * rounds {
		a, b := netip.AddrPortFrom(hostUDP.Addr(), uint16(1000+i%flows)), machineUDP
		if i/flows%2 == 1 {
			a, b = b, a
		}
		write(t, far.Queues()[0], encap.Frame{Data: udpFrame(t, stationMAC, otherMAC, a, b, []byte{byte(i), byte(i >> 8)})})
	}
	seen, of, used := make(map[int]bool), make(map[int]int), make(map[int]bool)
	must(t, newReader(t, near).until(func(queue int, f *encap.Frame) bool {
		if encap.Ethernet(f.Data).Src() != stationMAC {
			return false
		}
		i := int(f.Data[42]) | int(f.Data[43])<<8
		if seen[i] {
			t.Errorf("frame %d came twice", i)
		}
		seen[i], used[queue] = true, true
		if first, known := of[i%flows]; known && first != queue {
			t.Errorf("flow %d was on queue %d and is on %d", i%flows, first, queue)
		}
		of[i%flows] = queue
		return len(seen) == flows*rounds
	}))
	if len(used) < 2 {
		t.Errorf("%d flows used %d queues", flows, len(used))
	}
	if n, err := near.Drops(); n != 0 || err != nil {
		t.Errorf("%d drops, %v", n, err)
	}
}

// Tags, which the kernel takes off, are where they were, whatever their protocol; so are
// offloads behind them.
func TestTagsAreRestored(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1"})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	r := newReader(t, near)
	plain := udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(200))
	for name, want := range map[string][]byte{
		"untagged":    plain,
		"802.1Q":      tagged(plain, encap.EtherTypeVLAN, 0xa064),
		"priority":    tagged(plain, encap.EtherTypeVLAN, 0xe000),
		"802.1ad":     tagged(plain, encap.EtherTypeQinQ, 7),
		"both":        tagged(tagged(plain, encap.EtherTypeVLAN, 100), encap.EtherTypeQinQ, 7),
		"the longest": tagged(udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(1472)), encap.EtherTypeVLAN, 100),
	} {
		write(t, far.Queues()[0], encap.Frame{Data: bytes.Clone(want)})
		if got := r.next(stationMAC); !bytes.Equal(got.Data, want) {
			t.Errorf("%s: came as %x, want %x", name, got.Data[:40], want[:40])
		}
		write(t, far.Queues()[0], unfinished(t, bytes.Clone(want), 0))
		got := r.next(stationMAC)
		if !got.Offload.NeedsCSUM || !encap.CompleteChecksum(got.Data, got.Offload) || !bytes.Equal(got.Data, want) {
			t.Errorf("%s, unfinished: came as %x, %+v", name, got.Data[:40], got.Offload)
		}
	}
}

// Superframes cross whole with what is left to do on them, in one piece or several, with a
// tag and without.
func TestSuperframesCross(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1"})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	r := newReader(t, near)
	const segment = 1200
	for name, data := range map[string][]byte{
		"UDP":        udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(20*segment)),
		"TCP":        tcpFrame(t, stationMAC, otherMAC, pattern(64000)),
		"tagged UDP": tagged(udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(20*segment)), encap.EtherTypeVLAN, 100),
		"tagged TCP": tagged(tcpFrame(t, stationMAC, otherMAC, pattern(64000)), encap.EtherTypeVLAN, 100),
	} {
		f := unfinished(t, data, segment)
		for _, pieces := range [][]int{nil, {500}, {segment, segment, segment, segment, segment}} {
			sent := encap.Frame{Data: f.Data[:len(f.Data):len(f.Data)], Offload: f.Offload}
			for at := int(f.Offload.HeaderLen); len(pieces) > 0; pieces = pieces[1:] {
				sent.Data = f.Data[:int(f.Offload.HeaderLen)]
				n := pieces[0]
				if len(pieces) == 1 {
					n = len(f.Data) - at
				}
				sent.More = append(sent.More, f.Data[at:at+n])
				at += n
			}
			write(t, far.Queues()[0], sent)
			if got := r.next(stationMAC); !bytes.Equal(got.Data, f.Data) || got.Offload != f.Offload {
				t.Errorf("%s in %d pieces came with %d bytes and %+v, want %d and %+v", name, 1+len(sent.More), len(got.Data), got.Offload, len(f.Data), f.Offload)
			}
		}
	}
}

// The kernel at the other end cuts up what is written, and finds the checksums right; what
// it leaves unfinished itself is read as such.
func TestKernelAgrees(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{B: []netip.Prefix{machineIP}})
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	conn := udp(t, c.machine, machineUDP)
	const segment = 1000
	payload := pattern(10*segment + 1)
	data := udpFrame(t, stationMAC, macOf(t, c.machine, "eth0"), hostUDP, machineUDP, payload)
	write(t, d.Queues()[0], unfinished(t, data, segment))
	var got []byte
	buf := make([]byte, 2000)
	for len(got) < len(payload) {
		n, err := conn.Read(buf)
		must(t, err)
		if n > segment {
			t.Fatalf("a datagram of %d bytes", n)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, payload) {
		t.Error("the payload arrived changed")
	}
	snmp, err := c.machine.SNMP()
	must(t, err)
	if snmp["UdpInCsumErrors"] != 0 {
		t.Errorf("%d wrong checksums", snmp["UdpInCsumErrors"])
	}

	c.believe(hostUDP.Addr(), stationMAC)
	if _, _, err := conn.WriteMsgUDPAddrPort(payload, segments(segment), hostUDP); err != nil {
		t.Fatal(err)
	}
	var back encap.Frame
	must(t, newReader(t, d).until(func(_ int, f *encap.Frame) bool {
		back = encap.Frame{Data: bytes.Clone(f.Data), Offload: f.Offload}
		return encap.Ethernet(f.Data).Dst() == stationMAC // not what IPv6 says to itself
	}))
	if back.Offload.GSO != encap.GSOUDP || back.Offload.SegmentSize != segment || !bytes.Equal(back.Data[back.Offload.HeaderLen:], payload) {
		t.Errorf("the machine's superframe came with %+v and %d bytes", back.Offload, len(back.Data))
	}
}

// On a VLAN only its frames are read, without their tag, and get it when they are written.
func TestVLAN(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1.100"})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	r, back := newReader(t, near), newReader(t, far)
	plain := udpFrame(t, stationMAC, otherMAC, machineUDP, hostUDP, pattern(200))
	inner := tagged(plain, encap.EtherTypeVLAN, 200)
	for name, want := range map[string]encap.Frame{
		"frame":      {Data: plain},
		"unfinished": unfinished(t, bytes.Clone(plain), 0),
		"superframe": unfinished(t, tcpFrame(t, stationMAC, otherMAC, pattern(30000)), 1000),
		"inner tag":  {Data: inner},
	} {
		outside := encap.Frame{Data: tagged(want.Data, encap.EtherTypeVLAN, 100), Offload: want.Offload}
		if outside.Offload.NeedsCSUM {
			outside.Offload.CSUMStart += encap.VLANTagSize
		}
		if outside.Offload.GSO != encap.GSONone {
			outside.Offload.HeaderLen += encap.VLANTagSize
		}
		write(t, far.Queues()[0],
			encap.Frame{Data: plain},
			encap.Frame{Data: tagged(plain, encap.EtherTypeVLAN, 101)},
			encap.Frame{Data: tagged(plain, encap.EtherTypeQinQ, 100)},
			encap.Frame{Data: tagged(tagged(plain, encap.EtherTypeVLAN, 100), encap.EtherTypeVLAN, 7)},
			outside)
		if got := r.next(stationMAC); !bytes.Equal(got.Data, want.Data) || got.Offload != want.Offload {
			t.Errorf("%s in: %d bytes, %+v; want %d, %+v", name, len(got.Data), got.Offload, len(want.Data), want.Offload)
		}
		write(t, near.Queues()[0], want)
		if got := back.next(stationMAC); !bytes.Equal(got.Data, outside.Data) || got.Offload != outside.Offload {
			t.Errorf("%s out: %d bytes, %+v; want %d, %+v", name, len(got.Data), got.Offload, len(outside.Data), outside.Offload)
		}
	}
}

// What two bridges say to each other over a cable is not for the overlay; what passes
// through bridges is.
func TestLinkLocalFramesStay(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1"})
	far := open(t, c.machine, packet.Config{Interface: "eth0"})
	to := func(dst encap.MAC) encap.Frame {
		f := udpFrame(t, stationMAC, dst, machineUDP, hostUDP, nil)
		return encap.Frame{Data: f}
	}
	var frames []encap.Frame
	for last := range byte(0x12) {
		frames = append(frames, to(encap.MAC{0x01, 0x80, 0xc2, 0, 0, last}))
	}
	frames = append(frames, to(encap.MAC{0x01, 0x80, 0xc2, 0, 1, 3}), to(encap.MAC{0x01, 0x80, 0xc2, 1, 0, 3}), to(otherMAC))
	write(t, far.Queues()[0], frames...)
	var got []encap.MAC
	must(t, newReader(t, near).until(func(_ int, f *encap.Frame) bool {
		eth := encap.Ethernet(f.Data)
		if eth.Src() == stationMAC {
			got = append(got, eth.Dst())
		}
		return eth.Dst() == otherMAC
	}))
	want := []encap.MAC{
		{0x01, 0x80, 0xc2, 0, 0, 0}, {0x01, 0x80, 0xc2, 0, 0, 0x10}, {0x01, 0x80, 0xc2, 0, 0, 0x11},
		{0x01, 0x80, 0xc2, 0, 1, 3}, {0x01, 0x80, 0xc2, 1, 0, 3}, otherMAC,
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("frame %d is to %v, want %v", i, got[i], want[i])
		}
	}
}
