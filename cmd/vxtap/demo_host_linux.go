package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// The overlay of every demo. Its namespaces are its own, so nothing it is called or
// numbered can be in the way of anything on the machine.
const (
	demoVNI = 42
	demoTAP = "vx42"
)

// maxShown is up to how many hosts everything is shown of each. Of more, what is alike is
// shown of the first.
const maxShown = 3

// demoHost is a namespace and the vxtap in it.
type demoHost struct {
	*netlab.Host
	underlay netip.Addr // of eth0
	v4, v6   netip.Addr // of the TAP
	socket   string     // of the agent
	client   *api.Client
	agent    *demoAgent // nil until it was started
	received int64      // bytes of TCP data
}

// newDemoHost plans host number n, whose sockets are in dir.
func newDemoHost(h *netlab.Host, n int, underlay netip.Addr, dir string) *demoHost {
	socket := filepath.Join(dir, h.Name()+".sock")
	return &demoHost{
		Host:     h,
		underlay: underlay,
		v4:       netip.AddrFrom4([4]byte{192, 168, 77, byte(n)}),
		v6:       netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: byte(n)}),
		socket:   socket,
		client:   api.NewClient(socket),
	}
}

// upArgs is the command line that a user would type on this host: the other hosts are its
// flood list, and where their MACs are it learns.
func (h *demoHost) upArgs(all []*demoHost) []string {
	args := []string{"up", "--vni", fmt.Sprint(demoVNI), "--local", h.underlay.String()}
	for _, other := range all {
		if other != h {
			args = append(args, "--remote", other.underlay.String())
		}
	}
	return append(args, "--address", h.v4.String()+"/24", "--address", h.v6.String()+"/64")
}

// shownPath is the namespace, as iproute2 names it if it can be.
func (h *demoHost) shownPath() string {
	return strings.TrimPrefix(h.Path(), namedNamespaces+"/")
}

// interrupt asks the vxtap to end.
func (h *demoHost) interrupt() {
	if h.agent != nil {
		h.agent.interrupt()
	}
}

// end waits until the vxtap has ended, and sees to it that it does.
func (h *demoHost) end() {
	if h.agent != nil {
		h.agent.end()
	}
}

// startAgents starts a vxtap on every host, all at once, and waits until all are ready.
// abort is told when one ends, then or later.
func (d *demo) startAgents(ctx context.Context, abort context.CancelCauseFunc) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the vxtap program: %w", err)
	}
	d.say("\nStarted\n")
	for _, h := range d.hosts {
		args := h.upArgs(d.hosts)
		if h.agent, err = startAgent(h, exe, args, abort); err != nil {
			return err
		}
	}
	for _, h := range d.hosts {
		took, err := h.agent.waitReady(ctx)
		if err != nil {
			return err
		}
		if len(d.hosts) <= maxShown || h == d.hosts[0] {
			d.say("  %s: vxtap %s\n", h.Name(), strings.Join(h.upArgs(d.hosts), " "))
		}
		d.say("  %s: ready after %d ms\n", h.Name(), took.Milliseconds())
	}
	return nil
}
