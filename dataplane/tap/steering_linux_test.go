package tap_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// A flow is read from one queue, whichever its other direction is written to, and flows
// are spread over all queues.
func TestFlowsStayOnTheirQueue(t *testing.T) {
	const flows, rounds = 64, 4
	for _, f := range families {
		h := newHost(t)
		d := h.open(tap.Config{Queues: 3})
		for _, feature := range d.Features() {
			if feature.Err != nil {
				t.Errorf("%s: %v", feature.Name, feature.Err)
			}
		}
		r := newReader(t, d)
		queueOf := map[uint16]int{}
		var conns []*net.UDPConn
		for range flows {
			conns = append(conns, h.udp(netip.AddrPortFrom(f.thine.Addr(), 0).String()))
		}
		for round := range rounds {
			for _, conn := range conns {
				at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
				// The other direction goes to another queue each time.
				other := frame(t, f.ours, at, &layers.UDP{}, []byte("back"))
				write(t, d.Queues()[round%3], encap.Frame{Data: other})
				if _, err := conn.WriteToUDPAddrPort([]byte("forth"), f.ours); err != nil {
					t.Fatal(err)
				}
				queue := r.queueOf(f.thine.Addr(), at.Port())
				if was, ok := queueOf[at.Port()]; ok && was != queue {
					t.Errorf("%s: flow %d moved from queue %d to %d", f.name, at.Port(), was, queue)
				}
				queueOf[at.Port()] = queue
			}
		}
		share := map[int]int{}
		for _, queue := range queueOf {
			share[queue]++
		}
		if len(share) != 3 {
			t.Errorf("%s: %d flows are spread as %v", f.name, flows, share)
		}
	}
}

// queueOf returns the queue from which the next datagram from an address and port is
// read.
func (r *reader) queueOf(from netip.Addr, port uint16) int {
	r.t.Helper()
	found := -1
	var ready [4]int
	for found < 0 {
		tokens, err := r.poller.Wait(ready[:])
		if err != nil {
			r.t.Fatal(err)
		}
		for _, token := range ready[:tokens] {
			_, err = r.drain(r.queues[token], func(f *encap.Frame) bool {
				l, ok := carries(f, encap.ProtoUDP, from)
				if ok && uint16(f.Data[l.L4])<<8|uint16(f.Data[l.L4+1]) == port {
					found = token
				}
				return false
			})
			if err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return found
}

// Without the right to load programs the kernel chooses queues as it likes: the device
// works, and says so.
func TestWithoutSteering(t *testing.T) {
	const file = "/proc/sys/kernel/unprivileged_bpf_disabled"
	setting, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	everybody := strings.TrimSpace(string(setting)) == "0" // may load them
	if err := tap.CanSteer(); err != nil {
		t.Errorf("as root: %v", err)
	}
	h := newHost(t)
	var d *tap.Device
	h.do(func() (err error) {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			return err
		}
		for _, c := range []int{unix.CAP_BPF, unix.CAP_SYS_ADMIN} {
			caps[c/32].Effective &^= 1 << (c % 32)
		}
		if err := unix.Capset(&header, &caps[0]); err != nil {
			return err
		}
		if err := tap.CanSteer(); (err == nil) != everybody {
			t.Errorf("without rights: %v", err)
		}
		d, err = tap.Open(tap.Config{Queues: 2})
		return err
	})
	defer d.Close()
	for _, f := range d.Features() {
		missing := f.Name == tap.FeatureSteering && !everybody
		if missing != (f.Err != nil) || missing && !errors.Is(f.Err, unix.EPERM) {
			t.Errorf("%s: %v", f.Name, f.Err)
		}
	}
}
