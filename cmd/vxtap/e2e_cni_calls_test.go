//go:build linux

package main

import (
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/faults"
)

// Plugins that are killed at any system call, and system calls of theirs that fail.

// sample chooses at which of the calls of an ADD, some hundred, something is done: some that
// are spread over all of them, and the last, by when there is something to lose.
func sample(calls int) (list []int) {
	const spread, last = 20, 8
	for i := range spread {
		list = append(list, i*(calls-last)/spread)
	}
	for i := range last {
		list = append(list, calls-last+i)
	}
	return list
}

// countdown acts at one call, counted from 0.
type countdown struct {
	mu   sync.Mutex
	left int
	act  func(*os.Process, faults.Call) unix.Errno

	calls int    // that there were
	at    string // the name of the one
}

func (n *countdown) judge(p *os.Process, c faults.Call) unix.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	if n.left--; n.left != -1 {
		return 0
	}
	n.at = c.Name()
	return n.act(p, c)
}

// addAt is an ADD in which something is done at a call; a negative one is never reached.
func (r *runtimeHost) addAt(call int, act func(*os.Process, faults.Call) unix.Errno, list *libcni.NetworkConfigList, rt *libcni.RuntimeConf) (calls int, at string, err error) {
	r.t.Helper()
	n := &countdown{left: call, act: act}
	if call < 0 {
		n.left = -2
	}
	r.exec.judge = n.judge
	defer func() { r.exec.judge = nil }()
	_, err = r.cni.AddNetworkList(within(r.t), list, rt)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls, n.at, err
}

func killNow(p *os.Process, _ faults.Call) unix.Errno {
	_ = p.Kill()
	return unix.EINTR
}

// failNow has a call fail, but for those on which Go's runtime relies for itself, too.
func failNow(_ *os.Process, c faults.Call) unix.Errno {
	switch c.Number {
	case unix.SYS_OPENAT, unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SETNS:
		return unix.EIO
	case unix.SYS_WRITE:
		if c.Args[0] == uint64(unix.Stdout) {
			return unix.EIO
		}
	}
	return 0
}

// killAnywhere kills an ADD at calls all over it. clean holds that nothing is left after DEL.
func (r *runtimeHost) killAnywhere(list *libcni.NetworkConfigList, rt *libcni.RuntimeConf, clean func(at string)) {
	r.t.Helper()
	calls, _, err := r.addAt(-1, nil, list, rt)
	check(r.t, err)
	r.del(list, rt)
	for _, call := range sample(calls) {
		_, at, err := r.addAt(call, killNow, list, rt)
		if err == nil && at != "" {
			r.t.Errorf("ADD succeeded though it was killed at call %d, %s", call, at)
		}
		r.del(list, rt)
		clean(at)
	}
}

func TestCNIKilledAnywhere(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)[0]
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", toTwo+`,"address":"192.168.77.1/24"`)
	r.killAnywhere(list, container("one", in, "192.168.77.5/24"), func(at string) {
		eventually(t, "nothing is left of what was killed at "+at, func() bool { return len(r.networks()) == 0 })
		r.expectNothing(in)
	})
}

// A system call that fails has ADD fail, and nothing is left, before any DEL; or it did not
// matter, and all is there.
func TestCNICallsFail(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)[0]
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", toTwo+`,"address":"192.168.77.1/24"`)
	one := container("one", in, "192.168.77.5/24")
	calls, _, err := r.addAt(-1, nil, list, one)
	check(t, err)
	r.del(list, one)
	failed := 0
	for _, call := range sample(calls) {
		_, at, err := r.addAt(call, failNow, list, one)
		if err == nil {
			if e := r.check(list, one); e != nil {
				t.Errorf("ADD succeeded though call %d, %s, failed, and CHECK says %v", call, at, e)
			}
			r.del(list, one)
		} else {
			var said *types.Error // and no panic
			if failed++; !errors.As(err, &said) {
				t.Errorf("call %d, %s, failed, and the plugin said %v", call, at, err)
			}
		}
		eventually(t, "nothing is left of an ADD of which "+at+" failed", func() bool { return len(r.networks()) == 0 })
		r.expectNothing(in)
	}
	if failed == 0 {
		t.Error("no call that failed mattered")
	}
}
