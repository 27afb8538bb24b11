package tap

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// parking has a Poller wait as goroutines do, by the Go scheduler's own epoll, which watches
// the Poller's.
type parking struct {
	file *os.File // the Poller's epoll, which it owns
	conn syscall.RawConn
	look func(uintptr) bool // gathers, and is true once there is something; made once, as it is needed for each wait
	err  error              // of look
}

// NewParkingPoller returns a Poller for devices whose frames are brought by goroutines. A
// thread that waits in the kernel keeps its processor of the Go scheduler for up to 10 ms, and
// the scheduler then may not see what those goroutines wait for; this one's does not.
func NewParkingPoller() (*Poller, error) {
	p, err := NewPoller()
	if err != nil {
		return nil, err
	}
	if err := p.park(); err != nil {
		return nil, errors.Join(fmt.Errorf("have epoll watched: %w", err), p.Close())
	}
	return p, nil
}

func (p *Poller) park() (err error) {
	if err := unix.SetNonblock(p.epfd, true); err != nil { // os wants to see it
		return err
	}
	k := &parking{file: os.NewFile(uintptr(p.epfd), "epoll")}
	p.parking = k
	k.look = func(uintptr) bool {
		k.err = p.gather(0)
		return k.err != nil || !p.backlog.empty()
	}
	k.conn, err = k.file.SyscallConn()
	return err
}

// await waits for events and gathers them.
func (k *parking) await() error {
	if err := k.conn.Read(k.look); err != nil {
		return fmt.Errorf("wait for epoll: %w", err)
	}
	return k.err
}
