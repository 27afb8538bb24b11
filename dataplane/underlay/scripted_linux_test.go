package underlay

import (
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// step is what a scripted system call does: take up to n messages, or fail.
type step struct {
	n     int
	errno unix.Errno
}

// script plays steps as system calls, and a kernel that takes everything after them.
type script struct {
	steps []step
	room  bool   // what poll finds
	polls int    // calls of poll
	taken []byte // the first byte of each message taken
	fds   []int  // and the socket that it went to
}

func (s *script) next() step {
	if len(s.steps) == 0 {
		return step{n: Batch}
	}
	first := s.steps[0]
	s.steps = s.steps[1:]
	return first
}

func (s *script) sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	now := s.next()
	if now.errno != 0 {
		return -1, now.errno
	}
	n := min(now.n, len(msgs))
	for _, m := range msgs[:n] {
		s.taken = append(s.taken, *m.hdr.Iov.Base)
		s.fds = append(s.fds, fd)
	}
	return n, 0
}

func (s *script) poll(fds []unix.PollFd, timeout time.Duration) (int, unix.Errno) {
	s.polls++
	if s.room || timeout < 0 {
		return 1, 0
	}
	return 0, 0
}

// scripted returns a sender with sources on descriptors 0 to 3 and the listening socket
// on 9, all of them imagined.
func scripted(s *script) *sender {
	out := newSender(system{sendmmsg: s.sendmmsg, poll: s.poll}, netip.MustParseAddrPort("192.0.2.1:4789"), 0, new(atomic.Bool))
	out.listen.fd = 9
	out.sources = []outlet{{fd: 0}, {fd: 1}, {fd: 2}, {fd: 3}}
	return out
}

// numbered returns n datagrams that hold their index and go to a port of that number.
func numbered(n int) []encap.Datagram {
	dgrams := make([]encap.Datagram, n)
	for i := range dgrams {
		remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), uint16(i))
		dgrams[i] = encap.Datagram{Data: []byte{byte(i)}, Remote: remote}
	}
	return dgrams
}

func TestSendScripted(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
		room  bool
		n     int // of 5
		errno unix.Errno
	}{
		{"all at once", nil, false, 5, 0},
		{"in parts", []step{{1, 0}, {2, 0}, {1, 0}}, false, 5, 0},
		{"interrupted", []step{{0, unix.EINTR}, {2, 0}, {0, unix.EINTR}}, false, 5, 0},
		{"device fails in the middle", []step{{2, 0}, {0, unix.EIO}}, false, 2, unix.EIO},
		{"too big for the path", []step{{0, unix.EMSGSIZE}}, false, 0, unix.EMSGSIZE},
		{"queue full in the middle", []step{{3, 0}, {0, unix.ENOBUFS}}, false, 3, unix.ENOBUFS},
		{"no room, then room", []step{{3, 0}, {0, unix.EAGAIN}}, true, 5, 0},
		{"no room", []step{{3, 0}, {0, unix.EAGAIN}}, false, 3, unix.ENOBUFS},
		{"answer to an earlier datagram", []step{{1, 0}, {0, unix.ECONNREFUSED}}, false, 5, 0},
		{"refused twice", []step{{0, unix.ECONNREFUSED}, {0, unix.ECONNREFUSED}}, false, 0, unix.ECONNREFUSED},
	} {
		s := &script{steps: test.steps, room: test.room}
		n, err := scripted(s).send(numbered(5))
		if n != test.n || !errors.Is(err, errnoOrNil(test.errno)) {
			t.Errorf("%s: sent %d: %v; want %d and %v", test.name, n, err, test.n, test.errno)
		}
		if !slices.Equal(s.taken, []byte{0, 1, 2, 3, 4}[:test.n]) {
			t.Errorf("%s: the kernel took %v", test.name, s.taken)
		}
		var failed *SendError
		if errors.As(err, &failed) && failed.Remote != numbered(5)[n].Remote {
			t.Errorf("%s: the error is about %v", test.name, failed.Remote)
		}
	}
}

func errnoOrNil(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// A socket without room is waited for once, until it has sent again; others are not
// affected.
func TestStalledSocketIsWaitedForOnce(t *testing.T) {
	full := step{0, unix.EAGAIN}
	s := &script{steps: []step{full, full, full, {1, 0}, full}}
	out := scripted(s)
	one := numbered(1)
	for i, want := range []struct {
		err   error
		polls int
	}{{unix.ENOBUFS, 1}, {unix.ENOBUFS, 1}, {unix.ENOBUFS, 1}, {nil, 1}, {unix.ENOBUFS, 2}} {
		_, err := out.send(one)
		if !errors.Is(err, want.err) || s.polls != want.polls {
			t.Errorf("send %d: %v after %d polls, want %v after %d", i, err, s.polls, want.err, want.polls)
		}
	}
	s.steps = []step{full}
	one[0].Source = 1
	if _, err := out.send(one); !errors.Is(err, unix.ENOBUFS) || s.polls != 3 {
		t.Errorf("another socket: %v after %d polls", err, s.polls)
	}
}

// Whatever the kernel does, each datagram is taken once, in order and by its socket,
// or reported once.
func TestEveryDatagramHasOneFate(t *testing.T) {
	errnos := []unix.Errno{0, 0, 0, unix.EINTR, unix.EAGAIN, unix.ENOBUFS, unix.EIO, unix.EMSGSIZE, unix.EINVAL, unix.ENETUNREACH, unix.ECONNREFUSED}
	rapid.Check(t, func(t *rapid.T) {
		s := &script{room: rapid.Bool().Draw(t, "room")}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			s.steps = append(s.steps, step{rapid.IntRange(1, 20).Draw(t, "n"), rapid.SampledFrom(errnos).Draw(t, "errno")})
		}
		dgrams := numbered(rapid.IntRange(0, 200).Draw(t, "datagrams"))
		sources := rapid.SliceOfN(rapid.SampledFrom([]uint8{0, 1, 3, encap.SourceListen}), 1, 9).Draw(t, "sources")
		for i := range dgrams {
			dgrams[i].Source = sources[i*len(sources)/len(dgrams)]
			dgrams[i].More = slices.Repeat([][]byte{{1}}, rapid.SampledFrom([]int{0, 1, 300}).Draw(t, "slices"))
		}
		out := scripted(s)
		var want []byte
		var fds []int
		for from := 0; from < len(dgrams); {
			n, err := out.send(dgrams[from:])
			for i := from; i < from+n; i++ {
				want = append(want, byte(i))
				fds = append(fds, out.outlet(dgrams[i].Source).fd)
			}
			from += n
			if from == len(dgrams) {
				break
			}
			var failed *SendError
			if !errors.As(err, &failed) || failed.Remote != dgrams[from].Remote {
				t.Fatalf("datagram %d: %v", from, err)
			}
			from++
		}
		if !slices.Equal(s.taken, want) || !slices.Equal(s.fds, fds) {
			t.Fatalf("the kernel took %v by %v, reported was %v by %v", s.taken, s.fds, want, fds)
		}
	})
}

func (s *script) recvmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	now := s.next()
	if now.errno != 0 {
		return -1, now.errno
	}
	n := min(now.n, len(msgs))
	for i := range msgs[:n] {
		*msgs[i].hdr.Iov.Base = byte(i)
		msgs[i].len = 1
		msgs[i].hdr.SetControllen(0)
	}
	return n, 0
}

func TestRecvScripted(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
		n     int
		errno unix.Errno
		polls int
	}{
		{"there at once", []step{{3, 0}}, 3, 0, 0},
		{"as many as fit", []step{{9, 0}}, 4, 0, 0},
		{"interrupted", []step{{0, unix.EINTR}, {0, unix.EINTR}, {2, 0}}, 2, 0, 0},
		{"waited for", []step{{0, unix.EAGAIN}, {1, 0}}, 1, 0, 1},
		{"woken in vain", []step{{0, unix.EAGAIN}, {0, unix.EAGAIN}, {1, 0}}, 1, 0, 2},
		{"an ICMP answer", []step{{0, unix.ECONNREFUSED}, {1, 0}}, 0, unix.ECONNREFUSED, 0},
		{"device down", []step{{0, unix.ENETDOWN}, {1, 0}}, 0, unix.ENETDOWN, 0},
	} {
		s := &script{steps: test.steps}
		in := newReceiver(system{recvmmsg: s.recvmmsg, poll: s.poll}, 9, 10, new(atomic.Bool))
		dgrams := numbered(4)
		n, err := in.recv(dgrams, true)
		if n != test.n || !errors.Is(err, errnoOrNil(test.errno)) || s.polls != test.polls {
			t.Errorf("%s: %d datagrams: %v after %d polls", test.name, n, err, s.polls)
		}
		for i := range dgrams[:n] {
			if dgrams[i].Data[0] != byte(i) {
				t.Errorf("%s: datagram %d holds %v", test.name, i, dgrams[i].Data)
			}
		}
		if err == nil {
			continue
		}
		if n, err := in.recv(dgrams, true); n != 1 || err != nil {
			t.Errorf("%s: afterwards %d datagrams: %v", test.name, n, err)
		}
	}
}
