//go:build linux

package main

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// fullPipe returns the two ends of a pipe that holds no more.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	check(t, syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK))
	for {
		_, err := syscall.Write(fds[1], []byte(strings.Repeat("x", 64)))
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		check(t, err)
	}
	check(t, syscall.SetNonblock(fds[1], false))
	r, w = os.NewFile(uintptr(fds[0]), "log"), os.NewFile(uintptr(fds[1]), "log")
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// Nobody reads the log: frames flow, MACs are learned, the API answers, and SIGTERM ends it.
// Who begins to read is told how it goes on.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{false, true} {
		a, b := newPair(t, netlab.LinkConfig{})
		check(t, b.KernelVXLAN(netlab.VXLANConfig{
			Name: "vx42", VNI: 42, Local: ip(families[0].b), Remotes: []netip.Addr{ip(families[0].a)}, Addresses: prefixes(innerB + "/24"), MTU: 1450,
		}))
		r, w := fullPipe(t)
		c := newChild(t, newSocket(t), []string{self(t), "up", "--vni", "42", "--local", families[0].a, "--remote", families[0].b,
			"--address", innerA + "/24"})
		c.cmd.Stderr = w
		c.start(a.Start)
		check(t, w.Close())
		eventually(t, "the network is up", func() bool {
			n, err := c.api.Node(within(t))
			return err == nil && len(n.Networks) == 1
		})
		ping(t, a, innerB)
		mac := encap.MAC{2, 0, 0, 0, 1, 1}
		inject(t, b, "vx42", frame(broadcast, mac, label("mine")))
		c.waitLearned(mac, families[0].b)
		if !read {
			c.stop()
			continue
		}
		check(t, c.cmd.Process.Signal(syscall.SIGTERM))
		log := ""
		buf := make([]byte, 64<<10)
		for !strings.Contains(log, "stopped") {
			n, err := r.Read(buf)
			check(t, err)
			log += string(buf[:n])
		}
		if !strings.Contains(log, "\tready\t") {
			t.Errorf("log: %s", log)
		}
		c.waitExit()
	}
}
