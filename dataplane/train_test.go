package dataplane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// script is an underlay that keeps what it takes, datagram by datagram, and fails as it
// is told.
type script struct {
	Underlay // for what an out-worker does not call
	sources  int
	limit    int
	fail     func(d *encap.Datagram) error // asked about each datagram or train
	most     int                           // taken by one call, if not 0

	took   []encap.Datagram // datagrams, in pieces of their own
	trains []int            // the segments of each piece that was taken
	calls  int
}

func (u *script) Sources() int    { return u.sources }
func (u *script) TrainLimit() int { return u.limit }

func (u *script) Send(dgrams []encap.Datagram) (int, error) {
	u.calls++
	for i := range dgrams {
		if u.most > 0 && i == u.most {
			return i, fmt.Errorf("send: %w", syscall.ENOBUFS)
		}
		if u.fail != nil {
			if err := u.fail(&dgrams[i]); err != nil {
				return i, fmt.Errorf("send: %w", err)
			}
		}
		u.take(&dgrams[i])
	}
	return len(dgrams), nil
}

// take cuts a train up as the kernel does.
func (u *script) take(d *encap.Datagram) {
	whole := slices.Concat(append([][]byte{d.Data}, d.More...)...)
	size := len(whole)
	if d.SegmentSize > 0 {
		size = int(d.SegmentSize)
	}
	n := 0
	for len(whole) > 0 {
		one := *d
		one.Data, one.More, one.SegmentSize = whole[:min(size, len(whole))], nil, 0
		whole = whole[len(one.Data):]
		u.took = append(u.took, one)
		n++
	}
	u.trains = append(u.trains, n)
}

// frames returns what lies in the datagrams that went to a remote.
func (u *script) frames(to netip.AddrPort) (frames [][]byte) {
	for _, d := range u.took {
		if d.Remote == to {
			frames = append(frames, d.Data[encap.VXLANSize:])
		}
	}
	return frames
}

// newSending is a VTEP that sends into a script.
func newSending(t testing.TB, u *script) *stepped {
	t.Helper()
	s := newStepped(t, false, 2)
	u.Underlay = s.u
	s.out.sends.init(u, 1, &s.out.ledger)
	if err := s.n.AddEntry(otherMAC, s.n.Remotes()[1]); err != nil {
		t.Fatal(err)
	}
	return s
}

var otherMAC = encap.MAC{0x02, 0, 0, 0, 0, 12} // behind the second remote

// wireFrame is what a host sends, and what it is on the wire.
type wireFrame struct {
	frame   []byte
	offload encap.Offload
}

// transmit has the first port's host send frames, a batch at a time, and returns what
// they are in wire size.
func (s *stepped) transmit(t testing.TB, frames ...wireFrame) (want [][]byte) {
	t.Helper()
	for _, f := range frames {
		if !s.first.Inject(f.frame, f.offload) {
			t.Fatal("not injected")
		}
		want = append(want, inWireSize(t, encap.Frame{Data: f.frame, Offload: f.offload})...)
	}
	for s.out.serve(0) > 0 {
	}
	s.conserved(t)
	return want
}

func plain(frames ...[]byte) (all []wireFrame) {
	for _, f := range frames {
		all = append(all, wireFrame{frame: f})
	}
	return all
}

// outgoingKind is a kind of conversation from the first port to the first remote.
func outgoingKind(i int) conversation {
	c := kinds()[i]
	c.dst, c.src = remoteMAC, steppedMAC
	return c
}

// TestSmallFramesLeaveAsTrains: of one flow, and of several that share a source port.
func TestSmallFramesLeaveAsTrains(t *testing.T) {
	for _, flows := range []int{1, 2, 64} {
		u := &script{sources: 16, limit: 64}
		s := newSending(t, u)
		var frames []wireFrame
		all := make([]conversation, flows)
		for i := range all {
			all[i] = outgoingKind(0)
			all[i].port += uint16(i)
		}
		for i := range batchSize {
			frames = append(frames, plain(all[i%flows].next(22))...)
		}
		want := s.transmit(t, frames...)
		sameFlows(t, u.frames(s.n.Remotes()[0]), want)
		if most := min(flows, 16); len(u.trains) > most || u.calls != 1 {
			t.Errorf("%d flows: %d trains in %d calls", flows, len(u.trains), u.calls)
		}
	}
}

// TestTrainsEnd: what does not belong in one train begins another.
func TestTrainsEnd(t *testing.T) {
	cases := map[string]struct {
		limit int
		make  func(c *conversation) []wireFrame
		want  []int
	}{
		"the underlay's limit": {10, func(c *conversation) []wireFrame { return plain(c.frames(equal(25, 50)...)...) }, []int{10, 10, 5}},
		"no trains":            {1, func(c *conversation) []wireFrame { return plain(c.frames(equal(3, 50)...)...) }, []int{1, 1, 1}},
		"65000 bytes":          {64, func(c *conversation) []wireFrame { return plain(c.frames(equal(50, 1400)...)...) }, []int{44, 6}},
		"shorter":              {64, func(c *conversation) []wireFrame { return plain(c.frames(50, 50, 40, 50, 50)...) }, []int{3, 2}},
		"longer":               {64, func(c *conversation) []wireFrame { return plain(c.frames(50, 60, 60)...) }, []int{1, 2}},
		"TOS": {64, func(c *conversation) []wireFrame {
			frames := plain(c.frames(50, 50)...)
			c.tos = 0x28
			return append(frames, plain(c.frames(50, 50, 50)...)...)
		}, []int{2, 3}},
		"remote": {64, func(c *conversation) []wireFrame {
			frames := plain(c.frames(50, 50)...)
			c.dst = otherMAC
			frames = append(frames, plain(c.frames(50, 50, 50)...)...)
			c.dst = remoteMAC
			return append(frames, plain(c.frames(50)...)...)
		}, []int{2, 3, 1}},
		"superframe and a small one": {64, func(c *conversation) []wireFrame {
			super := c.next(5000)
			return append([]wireFrame{{super, leave(super, 1000)}}, plain(c.next(1000), c.next(999), c.next(999))...)
		}, []int{7, 1}},
		"superframes": {64, func(c *conversation) []wireFrame {
			a, b := c.next(3000), c.next(3001)
			return []wireFrame{{a, leave(a, 1000)}, {b, leave(b, 1000)}}
		}, []int{7}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for kind := range 16 {
				u := &script{sources: 16, limit: c.limit}
				u.fail = u.withinLimits(t)
				s := newSending(t, u)
				conv := outgoingKind(kind)
				want := s.transmit(t, c.make(&conv)...)
				var got [][]byte
				for _, d := range u.took {
					got = append(got, d.Data[encap.VXLANSize:])
				}
				sameFlows(t, got, want)
				if name != "65000 bytes" && !slices.Equal(u.trains, c.want) {
					t.Fatalf("kind %d: trains of %d, want %d", kind, u.trains, c.want)
				}
			}
		})
	}
}

// withinLimits fails the test on a train that no kernel takes.
func (u *script) withinLimits(t *testing.T) func(*encap.Datagram) error {
	return func(d *encap.Datagram) error {
		size := max(1, int(d.SegmentSize))
		n := (d.Len() + size - 1) / size
		if d.SegmentSize > 0 && (n < 2 || n > 64 || n > u.limit || d.Len() > 65000) {
			t.Errorf("a train of %d, %d bytes", n, d.Len())
		}
		return nil
	}
}

// TestTrainsKeepTheirLimits: whatever is sent, and each flow is in order.
func TestTrainsKeepTheirLimits(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		u := &script{sources: []int{0, 1, 16}[seed%3], limit: []int{64, 128, 7, 1, 0}[seed%5]}
		u.fail = u.withinLimits(t)
		s := newSending(t, u)
		for range 5 {
			u.took = nil
			want := s.transmitAtRandom(t, rng)
			sameFlows(t, u.frames(s.n.Remotes()[0]), want)
		}
	}
}

// transmitAtRandom sends a few batches of anything to the first remote, and returns
// what it is on the wire.
func (s *stepped) transmitAtRandom(t testing.TB, rng *rand.Rand) [][]byte {
	flows := make([]conversation, 1+rng.IntN(100))
	for i := range flows {
		flows[i] = outgoingKind(rng.IntN(16))
		flows[i].port, flows[i].tos = uint16(i), uint8(rng.IntN(3))
		flows[i].count = rng.Uint32()
	}
	var frames []wireFrame
	for range 200 {
		c := &flows[rng.IntN(len(flows))]
		switch rng.IntN(4) {
		case 0:
			size := 100 + rng.IntN(60000)
			f := c.next(size)
			frames = append(frames, wireFrame{f, leave(f, 100+rng.IntN(1300)+size/200)})
			c.id += 1000 // as many as it may have taken
		case 1:
			f := c.next(rng.IntN(1400))
			frames = append(frames, wireFrame{f, leave(f, 0)})
		default:
			frames = append(frames, plain(c.frames(equal(1+rng.IntN(5), 40)...)...)...)
		}
	}
	return s.transmit(t, frames...)
}

// TestRefusalsLoseNothing: errors of every kind in the middle of batches. Each datagram
// is taken once and in its place, or reported.
func TestRefusalsLoseNothing(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EINVAL, syscall.EMSGSIZE, syscall.ENOBUFS, syscall.EAGAIN, syscall.ENETUNREACH} {
		for seed := range uint64(10) {
			rng := rand.New(rand.NewPCG(seed, 5))
			u := &script{sources: 4, limit: 64, most: rng.IntN(4)}
			u.fail = func(*encap.Datagram) error {
				if rng.IntN(5) == 0 {
					return errno
				}
				return nil
			}
			s := newSending(t, u)
			want := s.transmitAtRandom(t, rng)
			out := s.n.Stats().Out
			if int(out.Frames) != len(want) || int(out.Forwarded) != len(u.took) || out.Copies != 0 {
				t.Errorf("%v: %d frames, %d taken; counted %+v", errno, len(want), len(u.took), out)
			}
			inOrder(t, u.frames(s.n.Remotes()[0]), want)
		}
	}
}

// inOrder fails the test unless got is want with frames left out.
func inOrder(t testing.TB, got, want [][]byte) {
	t.Helper()
	flows := byFlow(want)
	for key, frames := range byFlow(got) {
		left := flows[key]
		for _, f := range frames {
			i := slices.IndexFunc(left, func(w []byte) bool { return bytes.Equal(w, f) })
			if i < 0 {
				t.Fatalf("flow %x: doubled, changed or out of order:\n%x", key, f)
			}
			left = left[i+1:]
		}
	}
}

// refuseTrains fails trains with err, and lets single datagrams pass of up to so many
// bytes.
func refuseTrains(err error, longest int) func(*encap.Datagram) error {
	return func(d *encap.Datagram) error {
		if d.SegmentSize != 0 {
			return err
		}
		if d.Len() > longest {
			return syscall.EMSGSIZE
		}
		return nil
	}
}

// TestTrainsAreGivenUpForARemote: where they are refused and their datagrams are not.
func TestTrainsAreGivenUpForARemote(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		longest int
		single  bool
	}{
		"no device for it":    {syscall.EIO, 2000, true},
		"invalid":             {syscall.EINVAL, 2000, true},
		"too big as a train":  {syscall.EMSGSIZE, 2000, true},
		"too big in any case": {syscall.EMSGSIZE, 500, false}, // though the last would pass
		"no room":             {syscall.ENOBUFS, 2000, false},
		"nobody there":        {syscall.ENETUNREACH, 2000, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := &script{sources: 16, limit: 64, fail: refuseTrains(c.err, c.longest)}
			s := newSending(t, u)
			conv := outgoingKind(0)
			for range 3 {
				u.calls, u.took = 0, nil
				super := conv.next(20*1000 + 100)
				s.transmit(t, wireFrame{super, leave(super, 1000)})
			}
			if c.single && (u.calls != 1 || len(u.took) != 21) {
				t.Errorf("in the end %d calls, %d datagrams", u.calls, len(u.took))
			}
			if refused := s.v.Stats().TrainsRefused; (refused == 1) != c.single {
				t.Errorf("%d remotes are refused trains", refused)
			}
			other := conv
			other.dst, u.fail = otherMAC, nil
			if s.transmit(t, plain(other.frames(50, 50)...)...); u.trains[len(u.trains)-1] != 2 {
				t.Error("another remote gets no trains either")
			}
		})
	}
}

// TestTrainsAreOfferedAgain: after a while, whether or not the route takes them now.
func TestTrainsAreOfferedAgain(t *testing.T) {
	u := &script{sources: 16, limit: 64, fail: refuseTrains(syscall.EIO, 2000)}
	s := newSending(t, u)
	conv := outgoingKind(0)
	offer := func(refused int) (trains int) {
		t.Helper()
		u.trains = nil
		super := conv.next(20 * 1000)
		s.transmit(t, wireFrame{super, leave(super, 1000)})
		if got := s.v.Stats().TrainsRefused; got != refused {
			t.Errorf("%d remotes are refused trains, want %d", got, refused)
		}
		for _, n := range u.trains {
			if n > 1 {
				trains++
			}
		}
		return trains
	}
	offer(1)
	s.v.clock.Store(trainsPause)
	offer(1) // and it is refused again
	u.fail = nil
	s.v.clock.Store(2*trainsPause - 1)
	if offer(1) != 0 {
		t.Error("a train was sent too soon")
	}
	for range 2 {
		s.v.clock.Store(2 * trainsPause)
		if offer(0) != 1 {
			t.Error("no train was sent")
		}
	}
}

// TestTrainsAreOfferedOnAnotherWay: at once when the route changes.
func TestTrainsAreOfferedOnAnotherWay(t *testing.T) {
	u := &script{sources: 16, limit: 64, fail: refuseTrains(syscall.EIO, 2000)}
	s := newSending(t, u)
	paths := mem.NewPaths()
	s.v.cfg.Paths = paths
	c := outgoingKind(0)
	super := c.next(20 * 1000)
	s.transmit(t, wireFrame{super, leave(super, 1000)})
	refused := func(to, when string, want int) {
		t.Helper()
		s.v.RoutesChanged([]netip.Prefix{netip.MustParsePrefix(to)})
		if got := s.v.Stats().TrainsRefused; got != want {
			t.Errorf("%s: %d remotes are refused trains", when, got)
		}
	}
	refused("192.0.2.0/24", "elsewhere", 1)
	refused("0.0.0.0/0", "at first, when it is not known how it was before", 0)
	s.transmit(t, wireFrame{super, leave(super, 1000)})
	refused("0.0.0.0/0", "as before", 1)
	for _, r := range s.n.Remotes() {
		paths.SetWay(r.Addr(), "via another")
	}
	refused("0.0.0.0/0", "another way", 0)
}

// TestFloodedSuperframeIsCutForEachRemote: and each gets every datagram once.
func TestFloodedSuperframeIsCutForEachRemote(t *testing.T) {
	for kind := range 16 {
		u := &script{sources: 16, limit: 64}
		s := newSending(t, u)
		c := outgoingKind(kind)
		c.dst = encap.Broadcast
		super := c.next(60000)
		want := s.transmit(t, append(plain(c.next(100)), wireFrame{super, leave(super, 100)}, wireFrame{frame: c.next(30)})...)
		for _, remote := range s.n.Remotes() {
			sameFlows(t, u.frames(remote), want)
		}
		if out := s.n.Stats().Out; int(out.Forwarded) != len(want) || int(out.Copies) != len(want) {
			t.Errorf("counts %+v, want %d", out, len(want))
		}
	}
}
