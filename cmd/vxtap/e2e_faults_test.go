//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/faults"
	"github.com/vxtap/vxtap/encap"
)

// fault is a system call of a running vxtap that fails once.
type fault struct {
	name  string
	call  int
	errno unix.Errno
	in    bool   // it is met by frames from the tunnel, or else to it
	drop  string // the one frame that is lost is counted as; "" if none is
}

// Every system call of the path of a frame, in the ways in which it may fail. What a
// kernel does with the frame then is not done here, as the call is not made.
var runtimeFaults = []fault{
	{"reading is interrupted", unix.SYS_READ, unix.EINTR, false, ""},
	{"reading lacks memory", unix.SYS_READ, unix.ENOMEM, false, ""},
	{"nothing is read", unix.SYS_READ, unix.EAGAIN, false, ""},
	{"sending is interrupted", unix.SYS_SENDMMSG, unix.EINTR, false, ""},
	{"no room to send", unix.SYS_SENDMMSG, unix.EAGAIN, false, ""},
	{"an earlier datagram was refused", unix.SYS_SENDMMSG, unix.ECONNREFUSED, false, ""},
	{"a device's queue is full", unix.SYS_SENDMMSG, unix.ENOBUFS, false, "send_full"},
	{"sending lacks memory", unix.SYS_SENDMMSG, unix.ENOMEM, false, "send_full"},
	{"a firewall refuses", unix.SYS_SENDMMSG, unix.EPERM, false, "send_failed"},
	{"there is no route", unix.SYS_SENDMMSG, unix.ENETUNREACH, false, "unreachable"},
	{"the path is narrow", unix.SYS_SENDMMSG, unix.EMSGSIZE, false, "too_big"},
	{"receiving is interrupted", unix.SYS_RECVMMSG, unix.EINTR, true, ""},
	{"receiving lacks memory", unix.SYS_RECVMMSG, unix.ENOMEM, true, ""},
	{"a router answers", unix.SYS_RECVMMSG, unix.EHOSTUNREACH, true, ""},
	{"receiving fails", unix.SYS_RECVMMSG, unix.EIO, true, ""},
	{"writing is interrupted", unix.SYS_WRITEV, unix.EINTR, true, ""},
	{"the device is down", unix.SYS_WRITEV, unix.EIO, true, "port_refused"},
	{"the device lacks buffers", unix.SYS_WRITEV, unix.ENOBUFS, true, "port_full"},
	{"the device lacks memory", unix.SYS_WRITEV, unix.ENOMEM, true, "port_full"},
	{"the device refuses a frame", unix.SYS_WRITEV, unix.EINVAL, true, "port_refused"},
	{"waiting for ports is interrupted", unix.SYS_EPOLL_PWAIT, unix.EINTR, false, ""},
	{"waiting for ports lacks memory", unix.SYS_EPOLL_PWAIT, unix.ENOMEM, false, ""},
	{"waiting for the underlay is interrupted", unix.SYS_PPOLL, unix.EINTR, true, ""},
	{"waiting for the underlay lacks memory", unix.SYS_PPOLL, unix.ENOMEM, true, ""},
}

// nextFault has the next call fail that is armed.
type nextFault struct {
	mu    sync.Mutex
	armed *fault
	fired chan struct{}
}

func (n *nextFault) arm(f *fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.armed, n.fired = f, make(chan struct{})
}

func (n *nextFault) judge(c faults.Call) unix.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.armed
	if f == nil || f.call != c.Number || !ofWorker(c) {
		return 0
	}
	n.armed = nil
	close(n.fired)
	return f.errno
}

// ofWorker reports whether it is a worker that calls, and not the Go runtime, which does not
// survive a failure, or another part of the program. The runtime waits for 128 events at a time,
// and a worker for as many as a batch has; nobody else reads as much at once.
func ofWorker(c faults.Call) bool {
	switch c.Number {
	case unix.SYS_EPOLL_PWAIT:
		return c.Args[2] != 128
	case unix.SYS_READ:
		return c.Args[2] > encap.MaxFrame
	}
	return true
}

// await waits until the armed call has failed.
func (n *nextFault) await(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	fired := n.fired
	n.mu.Unlock()
	select {
	case <-fired:
	case <-within(t).Done():
		t.Fatal("the call was never made")
	}
}

// startJudged is startVXTAP with some system calls judged.
func startJudged(t *testing.T, h *netlab.Host, judge faults.Judge, calls []int, args ...string) *child {
	t.Helper()
	c := newChild(t, newSocket(t), append([]string{self(t), "up"}, args...))
	c.start(func(cmd *exec.Cmd) error {
		done, err := faults.Start(cmd, h.Start, judge, calls...)
		if err == nil {
			t.Cleanup(func() { <-done }) // after that by which it ends
		}
		return err
	})
	t.Cleanup(func() {
		if !c.hasExited() {
			c.stop()
		}
	})
	c.waitLog("\tready\t")
	return c
}

// One system call on the way of a frame fails: that frame is lost at most, under the right
// name, no other is, and none comes twice. The worker goes on.
func TestRunningCallsFailOnce(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	var next nextFault
	va := startJudged(t, a, next.judge, []int{unix.SYS_READ, unix.SYS_WRITEV, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG, unix.SYS_EPOLL_PWAIT, unix.SYS_PPOLL},
		"--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--address", "192.168.77.1/24")
	vb := startVXTAP(t, b, "--vni", "42", "--local", "10.9.0.2", "--remote", "10.9.0.1", "--address", "192.168.77.2/24")
	ping(t, a, "192.168.77.2")
	knowForGood(t, a, "192.168.77.2", vb.network().Ports[0])
	knowForGood(t, b, "192.168.77.1", va.network().Ports[0])
	for _, f := range runtimeFaults {
		t.Run(f.name, func(t *testing.T) {
			from, to, dst := a, b, "192.168.77.2"
			if f.in {
				from, to, dst = b, a, "192.168.77.1"
			}
			out, in := udpFlow(t, from, to, dst)
			defer out.Close()
			defer in.Close()
			direction := func() api.Direction {
				if f.in {
					return va.stats().In
				}
				return va.stats().Out
			}
			before := direction()
			next.arm(&f)
			const count = 30
			for i := range uint32(count) { // each longer than the last, so that none share a train
				_, err := out.Write(append(binary.BigEndian.AppendUint32(nil, i), make([]byte, i)...))
				check(t, err)
			}
			next.await(t)
			eventually(t, "all frames are counted", func() bool { return direction().Frames >= before.Frames+count })
			after := direction()
			lost := uint64(0)
			if f.drop != "" {
				lost = 1
			}
			if got := after.Drops[f.drop] - before.Drops[f.drop]; got != lost || after.Dropped-before.Dropped != lost {
				t.Fatalf("%d dropped, %d as %q: want %d as that and no other", after.Dropped-before.Dropped, got, f.drop, lost)
			}
			arriveOnce(t, in, count, count-int(lost))
		})
	}
	ping(t, a, "192.168.77.2")
}

// knowForGood has a host know for good who has an address behind its vx42.
func knowForGood(t *testing.T, h *netlab.Host, addr string, port api.Port) {
	t.Helper()
	link, err := h.Netlink().LinkByName("vx42")
	check(t, err)
	check(t, h.Netlink().NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(addr), HardwareAddr: port.MAC[:],
	}))
}

// arriveOnce expects so many of numbered datagrams, each once.
func arriveOnce(t *testing.T, in net.PacketConn, count, want int) {
	t.Helper()
	seen := make(map[uint32]bool)
	buf := make([]byte, 64)
	for len(seen) < want {
		check(t, in.SetReadDeadline(time.Now().Add(limit)))
		n, _, err := in.ReadFrom(buf)
		if err != nil {
			t.Fatalf("%d of %d datagrams: %v", len(seen), want, err)
		}
		i := binary.BigEndian.Uint32(buf[:n])
		if seen[i] || i >= uint32(count) {
			t.Fatalf("datagram %d comes again", i)
		}
		seen[i] = true
	}
	check(t, in.SetReadDeadline(time.Now()))
	if n, _, err := in.ReadFrom(buf); err == nil {
		t.Fatalf("one more datagram: % x", buf[:n])
	}
}

// firstOfItsKind has a call fail by its name, the first that is made. It is to be read when
// the process has ended.
type firstOfItsKind struct {
	seen  []faults.Call // the first of each name
	names map[string]bool
	name  string // of the one that is to fail, "" for none
	errno unix.Errno
	fired bool
}

func (n *firstOfItsKind) judge(c faults.Call) unix.Errno {
	name := c.Name()
	if n.names == nil {
		n.names = make(map[string]bool)
	}
	if n.names[name] {
		return 0
	}
	n.names[name] = true
	n.seen = append(n.seen, c)
	if name != n.name {
		return 0
	}
	n.fired = true
	return n.errno
}

// A start of which one system call fails ends with one line that says so, or goes on; and
// takes its device with it in any case.
func TestStartCallsFailOnce(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	start := func(n *firstOfItsKind) (c *child, judged <-chan struct{}) {
		c = newChild(t, newSocket(t), []string{self(t), "up", "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2",
			"--address", "192.168.77.1/24", "--queues", "1"})
		c.start(func(cmd *exec.Cmd) (err error) {
			judged, err = faults.Start(cmd, a.Start, n.judge, faults.Opening...)
			return err
		})
		return c, judged
	}
	var whole firstOfItsKind
	c, judged := start(&whole)
	c.waitLog("\tready\t")
	c.stop()
	<-judged
	if len(whole.seen) < 20 {
		t.Fatalf("%d kinds of system calls: there must be more", len(whole.seen))
	}
	failed := 0
	for _, call := range whole.seen {
		if call.Number == unix.SYS_GETSOCKNAME {
			continue // package net does not survive that; the drivers' own are tried with them
		}
		errno := faults.Plausible(call)[0]
		t.Run(fmt.Sprint(call.Name(), " ", unix.ErrnoName(errno)), func(t *testing.T) {
			n := firstOfItsKind{name: call.Name(), errno: errno}
			c, judged := start(&n)
			c.readyOrRefused(t)
			<-judged
			if n.fired { // what goes on beside the start may not have come so far
				failed++
			}
			if _, err := a.Netlink().LinkByName("vx42"); err == nil {
				t.Error("the device is still there")
			}
		})
	}
	if failed < 20 {
		t.Errorf("%d kinds of system calls have failed: there must be more", failed)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	check(t, err)
	return path
}

// readyOrRefused waits until vxtap is ready, and stops it, or has ended with one line that
// says why.
func (c *child) readyOrRefused(t *testing.T) {
	t.Helper()
	ctx := within(t)
	for {
		line, changed := c.log.find("\tready\t")
		if line != "" {
			c.stop()
			return
		}
		select {
		case <-changed:
		case <-c.exited:
			if line, _ := c.log.find("\tready\t"); line != "" {
				t.Errorf("it was ready, and ended:\n%s", c.log.String())
				return
			}
			said, _ := c.log.find("vxtap: ")
			if said == "" || c.cmd.ProcessState.ExitCode() != exitFailed {
				t.Errorf("it ended with %v and said\n%s", c.cmd.ProcessState, c.log.String())
			}
			t.Log(said)
			return
		case <-ctx.Done():
			t.Fatal("it neither starts nor ends")
		}
	}
}
