package tap

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// pipe returns a uring that reads what is sent to a socket, message by message.
func pipe(t *testing.T) (u *uring, to int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	if u, err = openUring(fds[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.close)
	return u, fds[1]
}

// TestUring: bursts of all sizes, more than the rings have entries, with too few messages and
// with enough, in order.
func TestUring(t *testing.T) {
	u, to := pipe(t)
	var b burst
	sent, got := byte(0), byte(0)
	for round := range 5 * burstSize {
		n, waiting := 1+round%burstSize, round%(burstSize+3)
		for range waiting {
			sent++
			if _, err := unix.Write(to, bytes.Repeat([]byte{sent}, int(sent)+1)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range n {
			b.into[i] = make([]byte, 300)
		}
		for got != sent {
			if err := u.read(&b, n); err != nil {
				t.Fatal(err)
			}
			for i, result := range b.results[:n] {
				if got == sent {
					if result != -int32(unix.EAGAIN) {
						t.Fatalf("round %d: %d where nothing is", round, result)
					}
					continue
				}
				got++
				if int(result) != int(got)+1 || b.into[i][0] != got || b.into[i][result-1] != got {
					t.Fatalf("round %d: %d bytes of message %d, want message %d", round, result, b.into[i][0], got)
				}
			}
		}
	}
}

// TestUringAllocatesNothing, whether or not messages are there.
func TestUringAllocatesNothing(t *testing.T) {
	u, to := pipe(t)
	b := &burst{}
	for i := range b.into {
		b.into[i] = make([]byte, 300)
	}
	n := testing.AllocsPerRun(100, func() {
		for range burstSize / 2 {
			if _, err := unix.Write(to, b.into[0][:200]); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.read(b, burstSize); err != nil || b.results[burstSize/2-1] != 200 {
			t.Fatal(b.results, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestUringLetsGo: what it has read from is closed when its owner closes it.
func TestUringLetsGo(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	u, err := openUring(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	b := &burst{}
	b.into[0], b.into[1] = make([]byte, 10), make([]byte, 10)
	if err := u.read(b, 2); err != nil || b.results[1] != -int32(unix.EAGAIN) {
		t.Errorf("%d, %v", b.results[:2], err)
	}
	unix.Close(fds[0])
	if _, err := unix.Write(fds[1], []byte{1}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("write to a closed socket: %v", err)
	}
}

// TestUringOfWhatWaits: no bursts are read from a file that cannot be asked not to wait, as a
// TUN before Linux 6.4. Each of its reads would be refused.
func TestUringOfWhatWaits(t *testing.T) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if u, err := openUring(fd); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("%v", err)
		u.close()
	}
}

// TestUringTakesNothing: no message is lost by opening one.
func TestUringTakesNothing(t *testing.T) {
	u, to := pipe(t)
	if _, err := unix.Write(to, []byte{1}); err != nil {
		t.Fatal(err)
	}
	other, err := openUring(int(u.sqes[0].fd))
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	b := &burst{}
	b.into[0] = make([]byte, 10)
	if err := other.read(b, 1); err != nil || b.results[0] != 1 || b.into[0][0] != 1 {
		t.Errorf("%d, %v", b.results[0], err)
	}
}
