//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// offloadModes are all that --offload knows.
var offloadModes = []control.Offload{
	control.OffloadAuto, control.OffloadTAP, control.OffloadUnderlay, control.OffloadNone, control.OffloadOff,
}

// queues gives every other combination two queues, where the drivers have them.
func queues(combination int, mode control.Offload) string {
	if mode.Portable() {
		return "1"
	}
	return strconv.Itoa(1 + combination%2)
}

// eachWire runs a test for every underlay and family, each on hosts of its own.
func eachWire(t *testing.T, test func(t *testing.T, a, b *netlab.Host, f family)) {
	t.Parallel()
	for _, u := range netlab.Underlays {
		for _, f := range families {
			t.Run(fmt.Sprintf("%s/%s", u, f.name), func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{Underlay: u})
				test(t, a, b, f)
			})
		}
	}
}

// startMode starts a vxtap in a mode on the host with the one address, towards the other.
func startMode(t *testing.T, h *netlab.Host, mode control.Offload, queues, local, remote, inner, inner6 string) *child {
	t.Helper()
	v := startVXTAP(t, h, "--vni", "42", "--local", local, "--remote", remote,
		"--address", inner+"/24", "--address", inner6+"/64", "--offload", mode.String(), "--queues", queues)
	inForce(t, v, mode)
	return v
}

// inForce expects the offloads that a mode stands for, and no others. This kernel has
// all of them.
func inForce(t *testing.T, v *child, mode control.Offload) {
	t.Helper()
	node, err := v.api.Node(within(t))
	check(t, err)
	for _, o := range node.Underlay.Offloads {
		if o.Name == "udp-gso" || o.Name == "udp-gro" {
			if o.InForce != mode.Underlay() {
				t.Errorf("%v: underlay: %s: %t %s", mode, o.Name, o.InForce, o.Why)
			}
		}
	}
	for _, o := range node.Networks[0].Ports[0].Offloads {
		if o.InForce != (mode.TAP() || o.Name == "steering") {
			t.Errorf("%v: TAP: %s: %t %s", mode, o.Name, o.InForce, o.Why)
		}
	}
}

// TestOffloadMatrixKernel puts every mode at one end, and at the other the kernel's VXLAN
// with its offloads and without.
func TestOffloadMatrixKernel(t *testing.T) {
	eachWire(t, func(t *testing.T, a, b *netlab.Host, f family) {
		check(t, b.KernelVXLAN(netlab.VXLANConfig{
			Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)},
			Addresses: prefixes(innerB+"/24", innerB6+"/64"), MTU: f.mtu,
		}))
		n := 0
		for _, kernel := range []netlab.Underlay{netlab.Super, netlab.Bare} { // once off, offloads stay off
			check(t, b.SetUnderlay("vx42", kernel))
			for _, mode := range offloadModes {
				n++
				q := queues(n, mode)
				t.Run(fmt.Sprintf("%v/%s queues/kernel %s", mode, q, kernel), func(t *testing.T) {
					v := startMode(t, a, mode, q, f.a, f.b, innerA, innerA6)
					allFlows(t, a, b, f.mtu)
					nothingLost(t, v)
					noChecksumErrors(t, a, b)
				})
			}
		}
	})
}

// TestOffloadMatrixVXTAP puts every pair of modes at the two ends.
func TestOffloadMatrixVXTAP(t *testing.T) {
	eachWire(t, func(t *testing.T, a, b *netlab.Host, f family) {
		n := 0
		for i, one := range offloadModes {
			for _, other := range offloadModes[i:] {
				n++
				q, r := queues(n, one), queues(n/2, other)
				t.Run(fmt.Sprintf("%v %s queues/%v %s queues", one, q, other, r), func(t *testing.T) {
					v := startMode(t, a, one, q, f.a, f.b, innerA, innerA6)
					w := startMode(t, b, other, r, f.b, f.a, innerB, innerB6)
					allFlows(t, a, b, f.mtu)
					nothingLost(t, v)
					nothingLost(t, w)
					noChecksumErrors(t, a, b)
				})
			}
		}
	})
}

// allFlows sends a little of each kind of traffic both ways, between hosts that have the
// inner addresses.
func allFlows(t *testing.T, a, b *netlab.Host, mtu int) {
	t.Helper()
	for _, e := range []struct {
		from, to *netlab.Host
		dst      string
		headers  int // of IP and UDP
	}{{a, b, innerB, 28}, {b, a, innerA, 28}, {a, b, innerB6, 48}, {b, a, innerA6, 48}} {
		full := mtu - e.headers
		if _, err := e.from.Ping(within(t), ip(e.dst), 1, 56); err != nil {
			t.Error(err)
		}
		datagramsArrive(t, e.from, e.to, e.dst, 1, full, full+1, 8972)
		trainArrives(t, e.from, e.to, e.dst, 29*1000+517, 1000)
		trainArrives(t, e.from, e.to, e.dst, 20*full+1, full)
		_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0),
			netlab.TransferConfig{Bytes: 1<<19 + 1, Verify: true})
		check(t, err)
	}
}
