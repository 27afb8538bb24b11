package tap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// answer is what a scripted system call returns: errno, or n bytes, 0 being all of them.
type answer struct {
	errno unix.Errno
	n     int
}

// scripted returns a queue whose system calls answer from a list, and then with errno
// end; calls counts them.
func scripted(end unix.Errno, script ...answer) (q *vnetQueue, calls *int) {
	q = newVNETQueue(-1, "vx42", encap.OffloadCSUM|encap.OffloadTSO|encap.OffloadUSO)
	calls = new(int)
	next := func(whole int) (int, unix.Errno) {
		*calls++
		if *calls > len(script) {
			return -1, end
		}
		a := script[*calls-1]
		if a.errno != 0 {
			return -1, a.errno
		}
		if a.n != 0 {
			return a.n, 0
		}
		return whole, 0
	}
	q.calls = syscalls{
		read: func(_ int, b []byte) (int, unix.Errno) {
			b[vnetHeaderSize] = byte(*calls)
			return next(min(vnetHeaderSize+60, len(b)))
		},
		write: func(_ int, _ vnetHeader, f *encap.Frame, _ int) (int, unix.Errno) {
			return next(vnetHeaderSize + f.Len())
		},
	}
	return q, calls
}

// inBursts has q read several frames at once, each of which is answered from the list.
func inBursts(q *vnetQueue) {
	q.crowded = true
	q.calls.burst = func(b *burst, n int) error {
		for i := range n {
			length, errno := q.calls.read(q.fd, b.into[i])
			if b.results[i] = int32(length); errno != 0 {
				b.results[i] = -int32(errno)
			}
		}
		return nil
	}
}

// longest is what fits the buffers of a test.
const longest = 100

// buffers returns n frames to read into.
func buffers(n int) []encap.Frame {
	frames := make([]encap.Frame, n)
	for i := range frames {
		frames[i].Data = make([]byte, vnetHeaderSize+longest+1)
	}
	return frames
}

// Frames that were read before an error are returned without it; it comes next.
func TestReadScripted(t *testing.T) {
	cases := []struct {
		name   string
		script []answer
		end    unix.Errno
		n      int   // frames of the first Read
		is     error // of the first Read without frames
	}{
		{"nothing", nil, unix.EAGAIN, 0, nil},
		{"some", []answer{{}, {}}, unix.EAGAIN, 2, nil},
		{"all", []answer{{}, {}, {}, {}}, unix.EAGAIN, 4, nil},
		{"interrupted", []answer{{errno: unix.EINTR}, {}, {errno: unix.EINTR}, {}}, unix.EAGAIN, 2, nil},
		{"too long", []answer{{n: vnetHeaderSize + longest + 1}, {}}, unix.EAGAIN, 1, nil},
		{"gone at once", nil, unix.EBADFD, 0, net.ErrClosed},
		{"gone behind two", []answer{{}, {}}, unix.ENODEV, 2, net.ErrClosed},
		{"closed under us", nil, unix.EBADF, 0, net.ErrClosed},
		{"passing fault", []answer{{}, {errno: unix.ENOMEM}, {}}, unix.EAGAIN, 2, nil},
		{"header only", []answer{{n: vnetHeaderSize}, {}}, unix.EAGAIN, 1, nil},
		{"lasting fault", []answer{{}}, unix.EFAULT, 1, unix.EFAULT},
	}
	for _, c := range cases {
		for _, bursts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/bursts=%t", c.name, bursts), func(t *testing.T) {
				q, _ := scripted(c.end, c.script...)
				if bursts {
					inBursts(q)
				}
				frames := buffers(4)
				n, err := q.Read(frames)
				if n != c.n || (n > 0 && err != nil) {
					t.Fatalf("first Read: %d, %v; want %d", n, err, c.n)
				}
				inOrder(t, frames[:n], c.script)
				if n > 0 {
					n, err = q.Read(buffers(4))
				}
				if n != 0 || !errors.Is(err, c.is) {
					t.Errorf("then: %d, %v; want %v", n, err, c.is)
				}
				if err != nil && !strings.Contains(err.Error(), "vx42") {
					t.Errorf("%v does not name the device", err)
				}
			})
		}
	}
}

// inOrder wants the frames of those calls that were to bring some.
func inOrder(t *testing.T, frames []encap.Frame, script []answer) {
	t.Helper()
	for i, a := range script {
		if a != (answer{}) {
			continue
		}
		if len(frames) == 0 {
			break
		}
		if f := &frames[0]; len(f.Data) != 60 || f.Data[0] != byte(i) {
			t.Errorf("%d bytes of call %d, want 60 of %d", len(f.Data), f.Data[0], i)
		}
		frames = frames[1:]
	}
	if len(frames) > 0 {
		t.Errorf("%d frames too many", len(frames))
	}
}

// TestReadInBursts: a frame at a time until all that there was room for was there, and again
// when it was not. One that comes while a burst is under way is not left out.
func TestReadInBursts(t *testing.T) {
	q, calls := scripted(unix.EAGAIN, answer{}, answer{}, answer{}, answer{}, // full
		answer{}, answer{errno: unix.EAGAIN}, answer{}, // a burst
		answer{errno: unix.EAGAIN})
	inBursts(q)
	q.crowded = false
	var sizes []int
	read := q.calls.burst
	q.calls.burst = func(b *burst, n int) error { sizes = append(sizes, n); return read(b, n) }
	for i, want := range []int{4, 2, 0} {
		frames := buffers(4)
		if i == 1 {
			frames = buffers(3)
		}
		if n, err := q.Read(frames); n != want || err != nil {
			t.Errorf("Read %d: %d, %v; want %d", i, n, err, want)
		}
	}
	if !slices.Equal(sizes, []int{3}) || *calls != 8 {
		t.Errorf("bursts of %d, %d reads", sizes, *calls)
	}
}

// TestBurstThatIsTheLastStraw: one fault too many is told, whatever follows it in the burst.
func TestBurstThatIsTheLastStraw(t *testing.T) {
	fault := answer{errno: unix.EFAULT}
	q, _ := scripted(unix.EAGAIN, fault, answer{errno: unix.EAGAIN}, fault)
	inBursts(q)
	q.faults = maxFaults - 1
	if n, err := q.Read(buffers(4)); n != 0 || !errors.Is(err, unix.EFAULT) {
		t.Errorf("%d, %v", n, err)
	}
}

// TestBurstsThatFail: what was read before is not lost, and it is not tried again.
func TestBurstsThatFail(t *testing.T) {
	q, _ := scripted(unix.EAGAIN, make([]answer, 7)...)
	inBursts(q)
	read, failed := q.calls.burst, 0
	q.calls.burst = func(b *burst, n int) error {
		failed++
		for i := range n {
			b.results[i] = -int32(unix.EAGAIN)
		}
		return errors.Join(read(b, 2), unix.ENOMEM)
	}
	for _, want := range []int{2, 4, 1, 0} {
		if n, err := q.Read(buffers(4)); n != want || err != nil {
			t.Errorf("read %d, %v; want %d", n, err, want)
		}
	}
	if failed != 1 || !errors.Is(q.single(), unix.ENOMEM) {
		t.Errorf("tried %d times, %v", failed, q.single())
	}
}

// An oversized frame is counted and leaves its buffer to the next.
func TestReadTooLongIsCounted(t *testing.T) {
	q, _ := scripted(unix.EAGAIN, answer{n: vnetHeaderSize + longest + 1}, answer{n: vnetHeaderSize + longest + 1}, answer{})
	if n, err := q.Read(buffers(4)); n != 1 || err != nil || q.lost() != 2 {
		t.Errorf("read %d, %v, %d too long", n, err, q.lost())
	}
}

// A read that fails is a lost frame, of which any number may come, but few in a row.
func TestReadFaultsAreCounted(t *testing.T) {
	for _, between := range []answer{{}, {errno: unix.EAGAIN}} {
		var script []answer
		for range 3 {
			for range maxFaults - 1 {
				script = append(script, answer{errno: unix.EFAULT})
			}
			script = append(script, between)
		}
		q, calls := scripted(unix.EFAULT, script...)
		for *calls < len(script) {
			if _, err := q.Read(buffers(1)); err != nil {
				t.Fatal(err)
			}
		}
		if want := uint64(3 * (maxFaults - 1)); q.lost() != want {
			t.Errorf("%d lost, want %d", q.lost(), want)
		}
		if _, err := q.Read(buffers(1)); !errors.Is(err, unix.EFAULT) || *calls != len(script)+maxFaults {
			t.Errorf("%v after %d calls more", err, *calls-len(script))
		}
	}
}

// An error is about the frame behind those that were taken.
func TestWriteScripted(t *testing.T) {
	cases := []struct {
		name   string
		second answer
		n      int
		is     error
	}{
		{"interrupted", answer{errno: unix.EINTR}, 3, nil},
		{"down", answer{errno: unix.EIO}, 1, unix.EIO},
		{"full", answer{errno: unix.EAGAIN}, 1, unix.ENOBUFS},
		{"no buffers", answer{errno: unix.ENOBUFS}, 1, unix.ENOBUFS},
		{"refused", answer{errno: unix.EINVAL}, 1, unix.EINVAL},
		{"half", answer{n: vnetHeaderSize + 1}, 1, io.ErrShortWrite},
		{"gone", answer{errno: unix.EBADFD}, 1, net.ErrClosed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q, _ := scripted(unix.EFAULT, answer{}, c.second, answer{}, answer{})
			n, err := q.Write(buffers(3))
			if n != c.n || !errors.Is(err, c.is) {
				t.Fatalf("took %d, %v; want %d, %v", n, err, c.n, c.is)
			}
			if err != nil && !strings.Contains(err.Error(), "vx42") {
				t.Errorf("%v does not name the device", err)
			}
		})
	}
}

// superframe is a frame with offload g that checkFrame has nothing against.
func superframe(g encap.GSO) []encap.Frame {
	o := encap.Offload{NeedsCSUM: true, GSO: g, CSUMStart: 34, CSUMOffset: 16, HeaderLen: 54, SegmentSize: 10}
	if g == encap.GSOUDP {
		o.CSUMOffset, o.HeaderLen = 6, 42
	}
	return []encap.Frame{{Data: make([]byte, 200), Offload: o}}
}

// A kind of superframe that the kernel refuses from the start is not promised any
// longer, and not tried again; the others stay.
func TestWriteRetracts(t *testing.T) {
	q, calls := scripted(unix.EFAULT, answer{errno: unix.EINVAL}, answer{})
	for range 2 {
		if n, err := q.Write(superframe(encap.GSOUDP)); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("took %d, %v", n, err)
		}
	}
	if *calls != 1 || q.Offloads() != encap.OffloadCSUM|encap.OffloadTSO {
		t.Errorf("%d calls, offloads %b", *calls, q.Offloads())
	}
	if n, err := q.Write(superframe(encap.GSOTCP6)); n != 1 || err != nil {
		t.Errorf("TCP: took %d, %v", n, err)
	}
}

// One superframe refused after another was taken is that frame's fault.
func TestWriteKeepsProvenPromise(t *testing.T) {
	q, _ := scripted(unix.EFAULT, answer{}, answer{errno: unix.EINVAL}, answer{})
	promised := q.Offloads()
	for i, want := range []error{nil, unix.EINVAL, nil} {
		if _, err := q.Write(superframe(encap.GSOTCP4)); !errors.Is(err, want) || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if q.Offloads() != promised {
		t.Errorf("offloads shrank to %b", q.Offloads())
	}
}

// EINVAL for a plain frame says nothing about superframes.
func TestWritePlainRefusalRetractsNothing(t *testing.T) {
	q, _ := scripted(unix.EINVAL)
	promised := q.Offloads()
	if _, err := q.Write(buffers(1)); !errors.Is(err, unix.EINVAL) || q.Offloads() != promised {
		t.Errorf("%v, offloads %b", err, q.Offloads())
	}
}
