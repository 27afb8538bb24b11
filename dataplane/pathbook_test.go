package dataplane_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// mtus lists what a node knows of its paths.
func mtus(x *node) string {
	list := ""
	for _, p := range x.vtep.Paths() {
		list += fmt.Sprintf("%v:%d ", p.Remote, p.MTU)
	}
	return list
}

// Only what can be true is believed.
func TestImplausibleReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, paths := lowered(t, setup{})
		port := func(p addrPort, n uint16) addrPort { return netip.AddrPortFrom(p.Addr(), n) }
		for name, r := range map[string]encap.PathReport{
			"nobody's address":        {Remote: mustAddrPort("10.9.0.3:4789"), MTU: 1300},
			"another port":            {Remote: port(b.addr, 53), MTU: 1300},
			"more than the interface": {Remote: b.addr, MTU: 1500},
			"more than was reported":  {Remote: b.addr, MTU: narrowMTU + 1},
		} {
			paths.Report(r)
			synctest.Wait()
			if got := mtus(a); got != "10.9.0.2:1400 " {
				t.Errorf("%s: %s", name, got)
			}
		}
		paths.Report(encap.PathReport{Remote: b.addr, MTU: 0})
		synctest.Wait()
		if got := mtus(a); got != "10.9.0.2:552 " {
			t.Errorf("less than any path: %s", got)
		}
	})
}

// After ten minutes the path is probed. If nobody refuses the probes, it is wide again.
func TestLoweredPathExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []int
		a, b, paths := lowered(t, setup{events: func(e dataplane.Event) { told = append(told, e.PathMTU) }})
		pass(10*time.Minute - time.Second)
		if n := probes(b); n != 0 || mtus(a) == "" {
			t.Errorf("%d probes, %s", n, mtus(a))
		}
		pass(2 * time.Second)
		if n := probes(b); n != 1 || mtus(a) != "10.9.0.2:1400 " {
			t.Errorf("%d probes, %s", n, mtus(a))
		}
		paths.Report(refused(a, b, 1420)) // wider than before, and still narrow
		synctest.Wait()
		if mtus(a) != "10.9.0.2:1420 " {
			t.Errorf("the answer to the probe was not taken: %s", mtus(a))
		}
		pass(10*time.Minute + 10*time.Second)
		if n := probes(b); n != 1+3 || mtus(a) != "" {
			t.Errorf("%d probes, %s", n, mtus(a))
		}
		big := ofSize(t, a, b, false, 1450)
		a.port.send(t, big)
		b.port.expect(t, big)
		if fmt.Sprint(told) != "[1400 1420]" {
			t.Errorf("told of %v", told)
		}
		a.conserved(t)
		b.conserved(t)
	})
}

// probes is how many a node has received: full-size datagrams with nothing in them.
func probes(x *node) uint64 { return x.vtep.Stats().Stray.Drops[dataplane.DropNoVNIFlag] }

// A destination that is made later knows of the path to it, also on another network.
func TestLaterDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := lowered(t, setup{})
		must(t, a.network.DeleteEntry(b.mac, addrPort{}))
		must(t, a.network.RemoveRemote(b.addr))
		must(t, a.network.AddRemote(b.addr))
		other, err := a.vtep.AddNetwork(networkConfig{VNI: testVNI + 1, Remotes: []addrPort{b.addr}})
		must(t, err)
		port := newDevice("other", a.mac, 1, mem.PortConfig{})
		must(t, other.AddPort(port.config()))
		for _, from := range []*device{a.port, port} {
			from.send(t, ofSize(t, a, b, false, 1400))
			if mtu := answerMTU(t, from.received()); mtu != narrowMTU-50 {
				t.Errorf("port %s was told of an MTU of %d", from.name, mtu)
			}
		}
		b.port.expect(t)
	})
}

// SYNs announce what fits, out and in, by the path or else by the interface.
func TestMSSClamp(t *testing.T) {
	for _, clamp := range []bool{false, true} {
		for _, ipv6 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				wire, paths := newWire(), mem.NewPaths()
				cfg := flooding(remoteVTEP)
				cfg.MSSClamp = clamp
				a := newNode(t, wire, localVTEP, setup{network: cfg, paths: paths})
				b := newNode(t, wire, remoteVTEP, setup{network: flooding(localVTEP)})
				header := 40
				if ipv6 {
					header = 60
				}
				try := func(want int) {
					t.Helper()
					if !clamp {
						want = 8960
					}
					for _, done := range []bool{true, false} {
						out, back := synOf(t, a, b, ipv6, done), synOf(t, b, a, ipv6, done)
						var o encap.Offload
						if !done {
							o = partial(out, 0)
						}
						a.port.inject(t, out, o)
						synctest.Wait()
						checkMSS(t, b.port.received(), want)
						b.port.inject(t, back, o)
						synctest.Wait()
						checkMSS(t, a.port.received(), want)
					}
				}
				try(1450 - header)
				paths.Report(refused(a, b, narrowMTU))
				synctest.Wait()
				try(narrowMTU - 50 - header)
			})
		}
	}
}

// synOf is a SYN that announces a jumbo MSS, its checksum done or partial.
func synOf(t testing.TB, from, to *node, ipv6, done bool) []byte {
	t.Helper()
	f := flowOf(from.mac, to.mac, ipv6)
	f.tcp = true
	frame := f.frame(t, []byte{2, 4, 8960 >> 8, 8960 & 0xff})
	var l encap.Layers
	l.Parse(frame)
	tcp := encap.TCP(frame[l.L4:l.End])
	tcp.SetHeaderLength(len(tcp))
	tcp.SetFlags(encap.TCPSyn)
	o := partial(frame, 0)
	if done && !encap.CompleteChecksum(frame, o) {
		t.Fatal("no checksum")
	}
	return frame
}

// checkMSS looks at the only frame that a port got: its option, and its checksum.
func checkMSS(t testing.TB, frames []encap.Frame, want int) {
	t.Helper()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	f := frames[0]
	var l encap.Layers
	l.Parse(f.Data)
	if !encap.CompleteChecksum(f.Data, f.Offload) || encap.VerifyChecksum(f.Data, &l) != encap.ChecksumValid {
		t.Error("the checksum is wrong")
	}
	option := f.Data[l.L4+encap.TCPMinSize:]
	if got := int(option[2])<<8 | int(option[3]); got != want {
		t.Errorf("an MSS of %d, want %d", got, want)
	}
}
