package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"

	"golang.org/x/sys/unix"
)

// maxEvents is how many ready descriptors one system call reports at most; there may
// be more, the kernel returns them in turn.
const maxEvents = 64

// wakeEvent stands in an event for the eventfd; tokens are not negative.
const wakeEvent = -1

// Poller waits for any of several queues to have frames: those with descriptors by
// epoll, those without by Wake, which ends an epoll through an eventfd.
//
// One goroutine waits; everything else may be called from any. A token may be returned
// once more after its descriptor was removed.
type Poller struct {
	epfd, wakefd int
	use          usage   // of the two descriptors
	one          [8]byte // what is added to the eventfd, in the host's byte order
	marks        marks

	// Waiting, by one goroutine.
	backlog backlog
	scratch []int
	events  [maxEvents]unix.EpollEvent
	count   [8]byte  // read from the eventfd
	parking *parking // nil: waiting takes the thread into the kernel
}

// NewPoller returns a Poller that watches nothing yet.
func NewPoller() (*Poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("open eventfd: %w", err)
	}
	p := &Poller{epfd: epfd, wakefd: wakefd}
	binary.NativeEndian.PutUint64(p.one[:], 1)
	if err := p.watch(wakefd, wakeEvent); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Add watches fd for reading under a token, 0 or more, until Remove. It is ready as
// long as there is something to read (level-triggered), or it has failed.
func (p *Poller) Add(fd, token int) error {
	if token < 0 || token > math.MaxInt32 {
		return fmt.Errorf("poll descriptor %d: bad token %d", fd, token)
	}
	return p.watch(fd, int32(token))
}

func (p *Poller) watch(fd int, event int32) error {
	if !p.use.enter() {
		return net.ErrClosed
	}
	defer p.leave()
	// Fd is not used as a descriptor but as the data that comes back with the event.
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: event}
	if err := unix.EpollCtl(p.epfd, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("poll descriptor %d: %w", fd, err)
	}
	return nil
}

// Remove stops watching fd, before it is closed.
func (p *Poller) Remove(fd int) error {
	if !p.use.enter() {
		return net.ErrClosed
	}
	defer p.leave()
	if err := unix.EpollCtl(p.epfd, unix.EPOLL_CTL_DEL, fd, nil); err != nil {
		return fmt.Errorf("stop polling descriptor %d: %w", fd, err)
	}
	return nil
}

// Wake marks token, 0 or more, as ready and ends a Wait. While any mark waits to be
// taken, a further one costs no system call.
func (p *Poller) Wake(token int) {
	if p.marks.add(token) {
		p.signal()
	}
}

// signal ends an epoll. The eventfd counts; it could only be full after 2^64-2 signals.
func (p *Poller) signal() {
	if !p.use.enter() {
		return
	}
	defer p.leave()
	for {
		if _, err := unix.Write(p.wakefd, p.one[:]); err != unix.EINTR {
			return
		}
	}
}

// Wait blocks until a token is ready and returns how many it put in ready, each once;
// those that do not fit come with the next call. After Close the error is
// [net.ErrClosed].
func (p *Poller) Wait(ready []int) (int, error) {
	if !p.use.enter() {
		return 0, net.ErrClosed
	}
	defer p.leave()
	if len(ready) == 0 {
		return 0, nil
	}
	for p.backlog.empty() {
		if err := p.await(); err != nil {
			return 0, err
		}
	}
	return p.backlog.deliver(ready), nil
}

// await waits for events and gathers them.
func (p *Poller) await() error {
	if p.parking != nil {
		return p.parking.await()
	}
	return p.gather(forever)
}

// Poll is Wait that does not block: it returns 0 if no token is ready.
func (p *Poller) Poll(ready []int) (int, error) {
	if !p.use.enter() {
		return 0, net.ErrClosed
	}
	defer p.leave()
	if p.backlog.empty() {
		if err := p.gather(0); err != nil {
			return 0, err
		}
	}
	return p.backlog.deliver(ready), nil
}

// forever is how long an epoll waits that is to end with an event only.
const forever = -1

// gather waits for events so many milliseconds, and adds their tokens and the marked
// ones to the backlog.
func (p *Poller) gather(timeout int) error {
	n, err := unix.EpollWait(p.epfd, p.events[:], timeout)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("epoll: %w", err)
	}
	woken := false
	for i := range max(n, 0) {
		if t := p.events[i].Fd; t != wakeEvent {
			p.backlog.add(int(t))
		} else {
			woken = true
		}
	}
	if woken {
		return p.takeMarks()
	}
	return nil
}

// takeMarks silences the eventfd and then takes the marks: a mark made in between is
// taken, one made after is the first again and signals.
func (p *Poller) takeMarks() error {
	for {
		if _, err := unix.Read(p.wakefd, p.count[:]); err != unix.EINTR {
			break
		}
	}
	if p.marks.isClosed() {
		return net.ErrClosed
	}
	p.scratch = p.marks.take(p.scratch[:0])
	for _, t := range p.scratch {
		p.backlog.add(t)
	}
	return nil
}

// Close ends a Wait that is under way and all later ones. The last call to leave
// closes the descriptors. To close twice is to close once.
func (p *Poller) Close() error {
	if !p.marks.close() {
		return nil
	}
	p.signal()
	if p.use.shut() {
		return p.closeAll()
	}
	return nil
}

func (p *Poller) leave() {
	if p.use.leave() {
		_ = p.closeAll() // nobody is left to be told
	}
}

func (p *Poller) closeAll() error {
	if p.parking != nil {
		return errors.Join(unix.Close(p.wakefd), p.parking.file.Close())
	}
	return errors.Join(unix.Close(p.wakefd), unix.Close(p.epfd))
}
