package packet

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// answer is what a scripted system call returns: errno, or that n messages were moved.
type answer struct {
	errno unix.Errno
	n     int
}

// scripted returns a queue whose system calls answer from a list, and then with errno end.
// What is received are frames of 60 bytes.
func scripted(end unix.Errno, script ...answer) (q *Queue, calls *int) {
	d := &Device{name: "eth1", mtu: 1500, closing: make(chan struct{})}
	q = newQueue(d, -1, wire{}, encap.OffloadCSUM|encap.OffloadTSO|encap.OffloadUSO)
	d.queues = []*Queue{q}
	calls = new(int)
	next := func(_ int, msgs []mmsghdr) (int, unix.Errno) {
		*calls++
		if *calls > len(script) {
			return -1, end
		}
		a := script[*calls-1]
		if a.errno != 0 {
			return -1, a.errno
		}
		n := min(a.n, len(msgs))
		for i := range msgs[:n] {
			msgs[i].len = encap.VirtioHeaderSize + 60
			msgs[i].hdr.SetControllen(0)
		}
		return n, 0
	}
	q.calls = syscalls{recvmmsg: next, sendmmsg: next}
	return q, calls
}

// buffers returns n frames to read into, or to write.
func buffers(n int) []encap.Frame {
	frames := make([]encap.Frame, n)
	for i := range frames {
		frames[i].Data = make([]byte, 100)
	}
	return frames
}

func TestReadScripted(t *testing.T) {
	cases := []struct {
		name   string
		script []answer
		end    unix.Errno
		n      int
		is     error
		missed uint64
	}{
		{"nothing", nil, unix.EAGAIN, 0, nil, 0},
		{"some", []answer{{n: 3}}, unix.EAGAIN, 3, nil, 0},
		{"interrupted", []answer{{errno: unix.EINTR}, {n: 2}}, unix.EAGAIN, 2, nil, 0},
		{"passing fault", []answer{{errno: unix.EINVAL}, {n: 2}}, unix.EAGAIN, 2, nil, 1},
		{"fault and nothing", []answer{{errno: unix.EINVAL}}, unix.EAGAIN, 0, nil, 1},
		{"lasting fault", nil, unix.EFAULT, 0, unix.EFAULT, maxFaults},
		{"many without a header", nil, unix.EINVAL, 0, nil, batch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q, _ := scripted(c.end, c.script...)
			n, err := q.Read(buffers(4))
			if n != c.n || !errors.Is(err, c.is) || q.missed.Load() != c.missed {
				t.Fatalf("read %d, %v, missed %d", n, err, q.missed.Load())
			}
			if err != nil && !strings.Contains(err.Error(), "eth1") {
				t.Errorf("%v does not name the interface", err)
			}
		})
	}
}

// Any number of reads may fail, but few in a row.
func TestReadFaultsInARow(t *testing.T) {
	for _, between := range []answer{{n: 1}, {errno: unix.EAGAIN}} {
		var script []answer
		for range 3 {
			for range maxFaults - 1 {
				script = append(script, answer{errno: unix.ENOMEM})
			}
			script = append(script, between)
		}
		q, calls := scripted(unix.EAGAIN, script...)
		for *calls < len(script) {
			if _, err := q.Read(buffers(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An error is about the frame behind those that were taken.
func TestWriteScripted(t *testing.T) {
	cases := []struct {
		name   string
		script []answer
		n      int
		is     error
	}{
		{"all", []answer{{n: 5}}, 5, nil},
		{"interrupted", []answer{{errno: unix.EINTR}, {n: 5}}, 5, nil},
		{"in parts", []answer{{n: 2}, {n: 1}, {n: 2}}, 5, nil},
		{"down", []answer{{n: 2}, {errno: unix.ENETDOWN}}, 2, unix.ENETDOWN},
		{"full", []answer{{n: 2}, {errno: unix.EAGAIN}}, 2, unix.ENOBUFS},
		{"queue full", []answer{{errno: unix.ENOBUFS}}, 0, unix.ENOBUFS},
		{"too big", []answer{{n: 4}, {errno: unix.EMSGSIZE}}, 4, unix.EMSGSIZE},
		{"refused", []answer{{n: 1}, {errno: unix.EINVAL}}, 1, unix.EINVAL},
		{"gone", []answer{{n: 1}, {errno: unix.ENXIO}}, 1, net.ErrClosed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q, _ := scripted(unix.EFAULT, c.script...)
			n, err := q.Write(buffers(5))
			if n != c.n || !errors.Is(err, c.is) {
				t.Fatalf("took %d, %v; want %d, %v", n, err, c.n, c.is)
			}
			if err != nil && !strings.Contains(err.Error(), "eth1") {
				t.Errorf("%v does not name the interface", err)
			}
		})
	}
}

// A frame that the kernel is not to be given stops those before it as little as those that
// it is given in several calls.
func TestWriteInSeveralCalls(t *testing.T) {
	q, calls := scripted(0, answer{n: batch}, answer{n: batch}, answer{n: batch})
	frames := buffers(2*batch + 3)
	frames[batch+7].Data = frames[batch+7].Data[:3]
	if n, err := q.Write(frames); n != batch+7 || !errors.Is(err, unix.EINVAL) || *calls != 2 {
		t.Errorf("took %d in %d calls, %v", n, *calls, err)
	}
	q, calls = scripted(0, answer{n: batch}, answer{n: batch}, answer{n: batch}, answer{n: batch}, answer{n: batch})
	frames = buffers(10)
	for i := range frames {
		frames[i].More = make([][]byte, MaxSlices)
	}
	if n, err := q.Write(frames); n != len(frames) || err != nil || *calls != 4 {
		t.Errorf("took %d superframes in %d calls, %v", n, *calls, err)
	}
	frames[0].More = make([][]byte, MaxSlices+1)
	if n, err := q.Write(frames); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("one in too many pieces: took %d, %v", n, err)
	}
}

// superframe is a frame with offload g that nothing is to be said against.
func superframe(g encap.GSO) []encap.Frame {
	o := encap.Offload{NeedsCSUM: true, GSO: g, CSUMStart: 34, CSUMOffset: 16, HeaderLen: 54, SegmentSize: 10}
	if g == encap.GSOUDP {
		o.CSUMOffset, o.HeaderLen = 6, 42
	}
	return []encap.Frame{{Data: make([]byte, 200), Offload: o}}
}

// A kind of superframe that the kernel refuses from the start is not promised any longer;
// one that it refuses after others is that frame's fault.
func TestWriteRetracts(t *testing.T) {
	q, calls := scripted(unix.EFAULT, answer{errno: unix.EINVAL}, answer{n: 1}, answer{errno: unix.EINVAL})
	for range 2 {
		if n, err := q.Write(superframe(encap.GSOUDP)); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("took %d, %v", n, err)
		}
	}
	if *calls != 1 || q.Offloads() != encap.OffloadCSUM|encap.OffloadTSO {
		t.Errorf("%d calls, offloads %b", *calls, q.Offloads())
	}
	if f := q.device.Features(); !errors.Is(f[2].Err, errRefused) || f[1].Err != nil {
		t.Errorf("features %v", f)
	}
	if n, err := q.Write(superframe(encap.GSOTCP6)); n != 1 || err != nil {
		t.Errorf("TCP: took %d, %v", n, err)
	}
	if _, err := q.Write(superframe(encap.GSOTCP4)); errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("TCP refused: %v", err)
	}
}

// What a network card has merged, with checksums that it verified, becomes a superframe
// that any port takes.
func TestReadMerged(t *testing.T) {
	frame := make([]byte, encap.EthernetSize+20+20+3000)
	frame[12] = 8
	ip := frame[14:]
	ip[0], ip[2], ip[3], ip[8], ip[9] = 0x45, byte((len(frame)-14)>>8), byte(len(frame)-14), 64, encap.ProtoTCP
	frame[14+20+12], frame[14+20+13] = 5<<4, 0x10
	var l encap.Layers
	o := encap.Unfinish(frame, &l, 1448)
	want := encap.Offload{NeedsCSUM: true, GSO: encap.GSOTCP4, CSUMStart: 34, CSUMOffset: 16, HeaderLen: 54, SegmentSize: 1448}
	if o != want {
		t.Errorf("%+v, want %+v", o, want)
	}
	if encap.TCP(frame[34:]).Checksum() != encap.PseudoHeader(frame, &l) {
		t.Error("the checksum is not the pseudo-header's")
	}
	ip[9] = 89
	if o := encap.Unfinish(frame, &l, 1448); o != (encap.Offload{}) {
		t.Errorf("not TCP: %+v", o)
	}
}

// The end of a VLAN's interface is as good as its device.
func TestCarries(t *testing.T) {
	for _, c := range []struct {
		w    wire
		is   link
		want bool
	}{
		{wire{link: link{index: 3}.netlink()}, link{index: 3}, true},
		{wire{link: link{index: 3}.netlink()}, link{index: 4, parent: 3, vlan: 100}, false},
		{wire{link: link{index: 3}.netlink(), vlan: 100}, link{index: 3}, false},
		{wire{link: link{index: 3}.netlink(), vlan: 100}, link{index: 4, parent: 3, vlan: 100}, true},
		{wire{link: link{index: 3}.netlink(), vlan: 100}, link{index: 4, parent: 3, vlan: 101}, false},
		{wire{link: link{index: 3}.netlink(), vlan: 100}, link{index: 4, parent: 5, vlan: 100}, false},
	} {
		if got := c.w.carries(c.is.netlink()); got != c.want {
			t.Errorf("%+v on %+v: %v", c.is, c.w, got)
		}
	}
}

// link is what matters of an interface.
type link struct{ index, parent, vlan int }

func (l link) netlink() netlink.Link {
	a := netlink.NewLinkAttrs()
	a.Index, a.ParentIndex = l.index, l.parent
	if l.vlan == 0 {
		return &netlink.Device{LinkAttrs: a}
	}
	return &netlink.Vlan{LinkAttrs: a, VlanId: l.vlan}
}
