package underlay

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// refuser is a kernel that takes some messages of a call, refuses some with an error, and
// remembers the datagrams of what it took: a train's one by one.
type refuser struct {
	t     *rapid.T
	rng   *rand.Rand
	errno unix.Errno
	only  bool // trains are refused, single datagrams are not
	took  map[int][][]byte
}

func (k *refuser) sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	n := 1 + k.rng.IntN(len(msgs))
	for i := range msgs[:n] {
		payload, segment := k.read(&msgs[i])
		if k.rng.IntN(4) == 0 && (segment != 0 || !k.only) {
			if i == 0 {
				return -1, k.errno
			}
			return i, 0 // the error shows when the rest is tried
		}
		k.take(fd, payload, segment)
	}
	return n, 0
}

// read gathers a message's payload, and finds the segment size among its control
// messages.
func (k *refuser) read(m *mmsghdr) (payload []byte, segment int) {
	for _, v := range unsafe.Slice(m.hdr.Iov, m.hdr.Iovlen) {
		payload = append(payload, unsafe.Slice(v.Base, v.Len)...)
	}
	if m.hdr.Control == nil {
		return payload, 0
	}
	messages, err := unix.ParseSocketControlMessage(unsafe.Slice(m.hdr.Control, m.hdr.Controllen))
	if err != nil {
		k.t.Fatal(err)
	}
	for _, c := range messages {
		if c.Header.Level == unix.IPPROTO_UDP && c.Header.Type == unix.UDP_SEGMENT {
			segment = int(*(*uint16)(unsafe.Pointer(&c.Data[0])))
		}
	}
	return payload, segment
}

func (k *refuser) take(fd int, payload []byte, segment int) {
	for segment > 0 && len(payload) > segment {
		k.took[fd] = append(k.took[fd], payload[:segment])
		payload = payload[segment:]
	}
	k.took[fd] = append(k.took[fd], payload)
}

func (k *refuser) poll([]unix.PollFd, time.Duration) (int, unix.Errno) {
	return k.rng.IntN(2), 0
}

// resend sends what is in a train one by one, and returns what was taken.
func resend(out *sender, d encap.Datagram) (took [][]byte) {
	payload := bytes.Join(append([][]byte{d.Data}, d.More...), nil)
	size := int(d.SegmentSize)
	d.More, d.SegmentSize = nil, 0
	for len(payload) > 0 {
		d.Data = payload[:min(size, len(payload))]
		payload = payload[len(d.Data):]
		if n, _ := out.send([]encap.Datagram{d}); n == 1 {
			took = append(took, d.Data)
		}
	}
	return took
}

// TestTrainsHaveOneFate: in batches with trains, whatever the kernel refuses in the middle
// of them, every datagram is taken once and in its place, or was reported. The caller
// sends a refused train again, datagram by datagram, as dataplane does.
func TestTrainsHaveOneFate(t *testing.T) {
	errnos := []unix.Errno{unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOBUFS, unix.EAGAIN}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		k := &refuser{
			t: t, rng: rand.New(rand.NewPCG(seed, 1)), took: map[int][][]byte{},
			errno: rapid.SampledFrom(errnos).Draw(t, "errno"), only: rapid.Bool().Draw(t, "only trains"),
		}
		out := newSender(system{sendmmsg: k.sendmmsg, poll: k.poll}, netip.MustParseAddrPort("192.0.2.1:4789"), 0, new(atomic.Bool))
		out.listen.fd = 9
		out.sources = []outlet{{fd: 0}, {fd: 1}, {fd: 2}, {fd: 3}}
		dgrams := mixture(rand.New(rand.NewPCG(seed, 2)))
		want := map[int][][]byte{}
		for i := 0; i < len(dgrams); {
			n, err := out.send(dgrams[i:])
			for _, d := range dgrams[i : i+n] {
				want[out.outlet(d.Source).fd] = append(want[out.outlet(d.Source).fd], cut(d)...)
			}
			if i += n; i == len(dgrams) {
				break
			}
			var failed *SendError
			if !errors.As(err, &failed) {
				t.Fatalf("datagram %d: %v", i, err)
			}
			if d := dgrams[i]; d.SegmentSize != 0 {
				fd := out.outlet(d.Source).fd
				want[fd] = append(want[fd], resend(out, d)...)
			}
			i++
		}
		for fd := range 10 {
			if !bytes.Equal(bytes.Join(k.took[fd], []byte("|")), bytes.Join(want[fd], []byte("|"))) {
				t.Fatalf("socket %d: the kernel took %d datagrams, reported were %d", fd, len(k.took[fd]), len(want[fd]))
			}
		}
	})
}

// mixture makes datagrams and trains of random bytes, in several slices, for all sockets.
func mixture(rng *rand.Rand) []encap.Datagram {
	dgrams := make([]encap.Datagram, rng.IntN(150))
	for i := range dgrams {
		d := &dgrams[i]
		d.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), 4789)
		d.Source = []uint8{0, 1, 2, 3, encap.SourceListen}[i/20%5]
		d.TTL = uint8(rng.IntN(3))
		payload := make([]byte, 1+rng.IntN(600))
		for j := range payload {
			payload[j] = byte(rng.Uint32())
		}
		if rng.IntN(2) == 0 {
			d.SegmentSize = uint16(1 + rng.IntN(len(payload)))
		}
		at := 1 + rng.IntN(len(payload))
		d.Data = payload[:at]
		if at < len(payload) {
			d.More = [][]byte{payload[at:]}
		}
	}
	return dgrams
}

// cut returns the datagrams of a train, or of one.
func cut(d encap.Datagram) [][]byte {
	k := refuser{took: map[int][][]byte{}}
	k.take(0, bytes.Join(append([][]byte{d.Data}, d.More...), nil), int(d.SegmentSize))
	return k.took[0]
}
