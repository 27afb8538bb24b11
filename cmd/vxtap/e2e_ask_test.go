//go:build linux

package main

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// An address that a host behind a remote has is not this host's to take: the kernel there
// answers for it, of both families, and nobody for one that is free.
func TestAsk(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	check(t, b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")},
		Addresses: prefixes("192.168.77.9/24", "fd77::9/64"), MTU: 1450,
	}))
	var agent *control.Agent
	n := portless(42)
	check(t, a.Do(func() (err error) {
		agent, err = control.Open(control.AgentConfig{Node: control.NodeSpec{Local: ip("10.9.0.1"), Queues: 2}, Drivers: drivers()})
		return errors.Join(err, agent.AddNetwork(n))
	}))
	defer agent.Close()
	mac := hardwareAddr(t, b, "vx42").String()
	for _, addr := range []string{"192.168.77.9", "fd77::9"} {
		got, err := agent.Ask(within(t), 42, ip(addr))
		if err != nil || got.String() != mac {
			t.Errorf("%v has %s, %v; want %s", got, addr, err, mac)
		}
		if err := agent.Alone().ClaimAddress(within(t), 42, ip(addr)); err != nil && !errors.Is(err, control.ErrAddressTaken) {
			t.Errorf("%s: %v", addr, err) // a slow machine may have answered too late
		}
	}
	for _, addr := range []string{"192.168.77.10", "fd77::10"} {
		if err := agent.Alone().ClaimAddress(within(t), 42, ip(addr)); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	late, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := agent.Ask(late, 42, ip("192.168.77.10")); !errors.Is(err, context.Canceled) {
		t.Errorf("asked without time: %v", err)
	}
	if _, err := agent.Ask(within(t), 43, ip("192.168.77.10")); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("asked on no network: %v", err)
	}
	if n, err := agent.Network(42); err != nil || len(n.Ports) != 0 {
		t.Errorf("ports %v stay, %v", n.Ports, err)
	}
}
