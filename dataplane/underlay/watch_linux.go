package underlay

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Watch follows addresses, routes and interfaces, as the kernel reports their changes over
// netlink, in the network namespace that it was opened in. Sockets that are bound to an
// interface it moves along, when that is removed and made again.
//
// Next and State belong to one goroutine.
type Watch struct {
	queues []*Socket
	paths  *Paths
	reader *os.File
	raw    syscall.RawConn
	buffer []byte
	closed atomic.Bool

	listing sync.Mutex // held while dump is used
	dump    *netlink.Handle

	view     view
	stale    bool // messages were lost: the view is to be read anew
	failures int  // to read, in a row
	state    State
	found    Change // since the last one that Next returned
}

// groupsWatched are the groups of netlink messages, of which older kernels lack some.
var groupsWatched = map[bool][]int{
	false: {unix.RTNLGRP_LINK, unix.RTNLGRP_NEXTHOP, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE},
	true:  {unix.RTNLGRP_LINK, unix.RTNLGRP_NEXTHOP, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_RULE},
}

// maxFailures is how often reading may fail in a row.
const maxFailures = 100

// messagesAtOnce is how many messages are read before what they say is looked at.
const messagesAtOnce = 1024

// OpenWatch watches the underlay of queues that were opened together, in the network
// namespace of the calling thread. Paths may be nil. A sandbox may have no netlink.
func OpenWatch(queues []*Socket, paths *Paths) (*Watch, error) {
	if paths != nil && paths.asker.noRoutes != nil {
		return nil, fmt.Errorf("asking for routes: %w", paths.asker.noRoutes)
	}
	local := queues[0].local.Addr()
	w := &Watch{queues: queues, paths: paths, buffer: make([]byte, 1<<16)}
	w.view.init(local, boundTo(queues[0]))
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watching the underlay: %w", err)
	}
	w.reader = os.NewFile(uintptr(fd), "netlink")
	if err := w.open(fd, local.Is6()); err != nil {
		w.Close()
		return nil, fmt.Errorf("watching the underlay: %w", err)
	}
	return w, nil
}

func (w *Watch) open(fd int, v6 bool) (err error) {
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for _, group := range groupsWatched[v6] {
		err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
		if err != nil && group != unix.RTNLGRP_NEXTHOP {
			return fmt.Errorf("joining group %d: %w", group, err)
		}
	}
	if err := w.reader.SetReadDeadline(time.Time{}); err != nil { // the runtime could not watch it
		return err
	}
	if w.raw, err = w.reader.SyscallConn(); err != nil {
		return err
	}
	if w.dump, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	if err := w.resync(); err != nil { // only now, so that nothing is missed in between
		return err
	}
	w.state, w.found = w.view.judge(), Change{}
	return nil
}

// State returns what it was when Next returned, or at the beginning.
func (w *Watch) State() State { return w.state }

// Next blocks until something has changed that matters to the sockets. After Close the
// error is net.ErrClosed.
func (w *Watch) Next() (Change, error) {
	for {
		if err := w.take(); err != nil {
			return Change{}, err
		}
		if w.stale {
			if err := w.resync(); err != nil {
				return Change{}, err
			}
		}
		before := w.state
		w.state = w.view.judge()
		if w.state == before && len(w.found.Routes) == 0 && len(w.found.Links) == 0 {
			continue
		}
		c := w.found
		c.State, w.found = w.state, Change{}
		w.relink(c.Links)
		return c, nil
	}
}

// Close ends a Next that is under way.
func (w *Watch) Close() error {
	if w.closed.Swap(true) {
		return nil
	}
	err := w.reader.Close()
	w.listing.Lock()
	defer w.listing.Unlock()
	if w.dump != nil {
		w.dump.Close()
		w.dump = nil
	}
	return err
}

// take reads what messages there are, and waits for one.
func (w *Watch) take() error {
	var failed error
	err := w.raw.Read(func(fd uintptr) (done bool) {
		for range messagesAtOnce {
			n, from, err := unix.Recvfrom(int(fd), w.buffer, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return done
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil: // ENOBUFS, where there was no room for messages
				w.stale = true
				if w.failures++; w.failures == maxFailures {
					failed = fmt.Errorf("reading netlink: %w", err)
					return true
				}
			case n > len(w.buffer):
				w.stale = true
			case fromKernel(from):
				w.failures = 0
				w.read(w.buffer[:n])
			}
			done = true
		}
		return true
	})
	if w.closed.Load() {
		return net.ErrClosed
	}
	return errors.Join(err, failed)
}

// fromKernel reports who sent a message: other processes may, too.
func fromKernel(from unix.Sockaddr) bool {
	a, ok := from.(*unix.SockaddrNetlink)
	return ok && a.Pid == 0
}

// resync reads everything anew. Whatever has changed may have meant another route.
func (w *Watch) resync() error {
	const attempts = 3 // at a listing that does not fail, and that nothing changes under
	w.listing.Lock()
	defer w.listing.Unlock()
	if w.dump == nil {
		return net.ErrClosed
	}
	for i := range attempts {
		links, err := w.dump.LinkList()
		addrs, failed := w.dump.AddrList(nil, w.view.family())
		err = cmp.Or(err, failed)
		if err != nil && i < attempts-1 {
			continue
		}
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("listing interfaces and addresses: %w", err)
		}
		w.found.Links = append(w.found.Links, w.view.replace(links, addrs)...)
		break
	}
	w.stale = false
	w.found.Routes = []netip.Prefix{w.view.everywhere()}
	return nil
}

// relink moves sockets along to interfaces that are there again.
func (w *Watch) relink(links []Link) {
	for i := range links {
		l := &links[i]
		if !l.Up {
			continue
		}
		for _, q := range w.queues {
			l.Err = errors.Join(l.Err, q.driver.relink(device{l.Name, int(l.Index)}))
		}
		if w.paths != nil {
			l.Err = errors.Join(l.Err, w.paths.relink(device{l.Name, int(l.Index)}))
		}
	}
}
