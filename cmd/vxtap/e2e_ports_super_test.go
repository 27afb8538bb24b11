//go:build linux

package main

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Between two ports of a host frames pass as they come, none of them cut: superframes of many
// segments where TAPs take them, and none larger than the MTU where they do not.
func TestPortsPassFramesWhole(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "none", "off"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			in := containers(t, 2)
			silence(t, append(in, a)...)
			v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--tap", "none", "--offload", driver)
			addresses := []string{"192.168.77.1", "192.168.77.2"}
			for i, h := range in {
				v.addPort(api.PortSpec{Name: h.Name(), Device: "eth0", NetNS: h.Path(), Addresses: prefixes(addresses[i] + "/24"), MTU: 1450})
			}
			for i, from := range in {
				to, dst := in[1-i], addresses[1-i]
				before := linkCounters(t, to)
				_, err := netlab.Transfer(within(t), from, to, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Bytes: 8<<20 + 1, Verify: true})
				check(t, err)
				// All since the devices were made, and what arrived is read first: frames that are
				// on their way at either reading can only make fewer of more.
				arrived, sent := linkCounters(t, to), linkCounters(t, from)
				if arrived.RxPackets > sent.TxPackets {
					t.Errorf("to %s: %d frames became %d", dst, sent.TxPackets, arrived.RxPackets)
				}
				frames, bytes := arrived.RxPackets-before.RxPackets, arrived.RxBytes-before.RxBytes
				if large := bytes/frames > 2*1450; large != (driver == "auto") {
					t.Errorf("to %s: %d bytes came in %d frames, %d bytes each", dst, bytes, frames, bytes/frames)
				}
			}
			results := make(chan error, 2)
			for i, from := range in {
				go func() {
					_, err := netlab.Transfer(within(t), from, in[1-i], netip.AddrPortFrom(ip(addresses[1-i]), 0), netlab.TransferConfig{Bytes: 32 << 20, Verify: true})
					results <- err
				}()
			}
			check(t, errors.Join(<-results, <-results))
			noChecksumErrors(t, in...)
			drops := v.drops()
			delete(drops, "out port_full") // how TCP learns its rate
			if len(drops) > 0 {
				t.Error("dropped:", drops)
			}
		})
	}
}

// linkCounters are those of a host's eth0.
func linkCounters(t *testing.T, h *netlab.Host) netlink.LinkStatistics {
	t.Helper()
	link, err := h.Netlink().LinkByName("eth0")
	check(t, err)
	return *link.Attrs().Statistics
}
