//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/control/cni"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// What runtimes and their users get wrong. Each has a code and one line that says what, and
// leaves nothing.

// toTwo is a network of two hosts, on the first.
const toTwo = `"vni":42,"remote":["10.9.0.2"]`

func TestCNIBadNetwork(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)
	r := startRuntime(t, a, "10.9.0.1")
	for _, c := range []struct {
		conf string
		code uint
		says string
	}{
		{`"vni":42,"remotes":["10.9.0.2"]`, types.ErrUnsupportedField, `unsupported key "remotes" with value 10.9.0.2`},
		{`"remote":["10.9.0.2"]`, types.ErrInvalidNetworkConfig, "network lab has no vni"},
		{`"vni":16777216`, types.ErrInvalidNetworkConfig, "16777216"},
		{`"vni":42,"remote":["10.9.0.256"]`, types.ErrInvalidNetworkConfig, `remote: bad address "10.9.0.256"`},
		{`"vni":42,"remote":{"a":1}`, types.ErrInvalidNetworkConfig, "remote: want a string"},
		{`"vni":42,"mtu":[1400,1401]`, types.ErrInvalidNetworkConfig, "mtu: want one value, not 2"},
		{toTwo + `,"local":"10.9.0.9"`, types.ErrInvalidNetworkConfig, "contradicts the agent that runs at 10.9.0.1"},
		{toTwo + `,"sealed":true`, types.ErrInvalidNetworkConfig, "started without keys"},
		{toTwo + `,"mac":"02:00:00:00:00:01"`, types.ErrInvalidNetworkConfig, "--mac with --tap none"},
		{toTwo + `,"ipam":{"type":"nowhere"}`, types.ErrInvalidNetworkConfig, `ipam nowhere: failed to find plugin "nowhere"`},
		{toTwo + `,"runtimeConfig":{"bandwidth":{"egressRate":1}}`, types.ErrUnsupportedField, `unsupported capability "bandwidth" with value {"egressRate":1}`},
		{toTwo + `,"runtimeConfig":{"aliases":7}`, types.ErrInvalidNetworkConfig, "capability aliases: want a list of names"},
		{toTwo + `,"runtimeConfig":{"mac":"ff:ff:ff:ff:ff:ff"}`, types.ErrInvalidNetworkConfig, "capability mac"},
		{toTwo + `,"runtimeConfig":{"ips":["192.168.77.5"]}`, types.ErrInvalidNetworkConfig, "want one with the length of its prefix"},
	} {
		_, err := r.cni.AddNetworkList(within(t), r.conflist("1.1.0", "lab", c.conf), container("one", in[0]))
		refusedBy(t, err, c.code, c.says)
		r.expectNothing(in[0])
	}
}

// Namespaces and names of interfaces come in variables.
func TestCNIBadVariables(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", toTwo)
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	fifo := filepath.Join(t.TempDir(), "fifo") // who opens it waits for a writer
	check(t, syscall.Mkfifo(fifo, 0o600))
	for path, want := range map[string]struct {
		code uint
		says string
	}{
		"/run/netns/vxtap-nowhere": {types.ErrUnknownContainer, "CNI_NETNS /run/netns/vxtap-nowhere: there is no such network namespace"},
		file:                       {types.ErrUnknownContainer, file + " is no network namespace"},
		fifo:                       {types.ErrUnknownContainer, fifo + " is no network namespace"},
		a.Path():                   {types.ErrInvalidEnvironmentVariables, "CNI_NETNS " + a.Path() + " is the host's own"},
	} {
		rt := container("one", nil)
		rt.NetNS = path
		_, err := r.cni.AddNetworkList(within(t), list, rt)
		refusedBy(t, err, want.code, want.says)
		r.expectNothing(in[0])
	}
	one := container("one", in[0])
	one.IfName = "lo"
	_, err := r.cni.AddNetworkList(within(t), list, one)
	refusedBy(t, err, types.ErrInvalidEnvironmentVariables, "CNI_IFNAME lo")
	one.IfName, one.Args = "eth0", [][2]string{{"MAC", "02:00:00:00:00:01"}, {"COLOUR", "red"}}
	_, err = r.cni.AddNetworkList(within(t), list, one)
	refusedBy(t, err, types.ErrInvalidEnvironmentVariables, "COLOUR=red")
	r.expectNothing(in[0])

	// One that was added is not added again, and stays.
	one.Args = [][2]string{{"MAC", "02:00:00:00:00:01"}, {"IP", "192.168.77.5/24"}}
	if made := r.add(list, one); made.Interfaces[0].Mac != "02:00:00:00:00:01" || len(made.IPs) != 1 {
		t.Errorf("made %v with %v", made.Interfaces, made.IPs)
	}
	_, err = r.cni.AddNetworkList(within(t), list, one)
	refusedBy(t, err, types.ErrInvalidEnvironmentVariables, "was added before")
	check(t, r.check(list, one))
	// Another may not have its interface.
	_, err = r.cni.AddNetworkList(within(t), list, container("two", in[0]))
	refusedBy(t, err, types.ErrInvalidEnvironmentVariables, "CNI_IFNAME eth0")
	check(t, r.check(list, one))
	r.del(list, one)
	r.expectNothing(in[0])
}

// A subnet of the host's cannot be the containers', nor can that of its own address.
func TestCNIClash(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	r := startRuntime(t, a, "10.9.0.1")
	for _, c := range []struct{ conf, ip, says string }{
		{toTwo, "10.9.0.77/24", "address 10.9.0.77/24 clashes with this host's route to 10.9.0.0/24 by eth0"},
		{toTwo, "10.0.0.77/8", "10.9.0.0/24 by eth0"},
		{toTwo, "10.9.0.129/25", "10.9.0.0/24 by eth0"},
		{toTwo, "fd09::77/64", "fd09::/64 by eth0"},
		{toTwo + `,"address":"10.9.0.200/24"`, "192.168.77.5/24", "address 10.9.0.200/24 clashes"},
	} {
		_, err := r.cni.AddNetworkList(within(t), r.conflist("1.1.0", "lab", c.conf), container("one", in[0], c.ip))
		refusedBy(t, err, types.ErrInvalidNetworkConfig, c.says)
		r.expectNothing(in[0])
	}
	// What the network itself has on the host is none of that.
	list := r.conflist("1.1.0", "lab", toTwo+`,"address":"192.168.77.1/24"`)
	for i, rt := range []*libcni.RuntimeConf{container("one", in[0], "192.168.77.5/24"), container("two", in[1], "192.168.77.6/24")} {
		r.add(list, rt)
		ping(t, in[i], "192.168.77.1")
		defer r.del(list, rt)
	}
}

// Without an agent nothing can be added, and everything be removed.
func TestCNINoAgent(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", toTwo)
	one, two := container("one", in[0], "192.168.77.5/24"), container("two", in[1], "192.168.77.6/24")
	r.add(list, one)
	r.add(list, two)
	r.agent.kill()
	noAgent := "no vxtap agent answers on " + r.agent.socket
	_, err := r.cni.AddNetworkList(within(t), list, container("three", in[0]))
	refusedBy(t, err, types.ErrTryAgainLater, noAgent)
	refusedBy(t, r.status(list), types.ErrLimitedConnectivity, noAgent)
	refusedBy(t, r.check(list, one), cni.CodeMissing, noAgent)
	r.del(list, one)
	check(t, r.gc(list, two))

	// One that was started anew knows of nothing, says so, and can have it again.
	r.agent = startVXTAPOn(t, a, r.agent.socket, "--vni", "7", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--tap", "none")
	check(t, r.status(list))
	refusedBy(t, r.check(list, two), cni.CodeMissing, "the agent has no network 42; it may have been started anew")
	r.del(list, two)
	r.add(list, two)
	check(t, r.check(list, two))
	r.del(list, two)
}

// CHECK finds what is missing of what was made.
func TestCNICheck(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", toTwo)
	one := container("one", in[0], "192.168.77.5/24")
	keeper := container("keeper", in[1])
	inside := in[0].Netlink()
	eth0 := func() netlink.Link { l, err := inside.LinkByName("eth0"); check(t, err); return l }
	r.add(list, keeper)
	for _, c := range []struct {
		spoil func() error
		says  string
	}{
		{func() error { return in[0].DeleteLink("eth0") }, "has no port eth0@one"},
		{func() error { return inside.LinkSetDown(eth0()) }, "eth0 in " + in[0].Path() + " is down"},
		{func() error {
			return inside.AddrDel(eth0(), &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 168, 77, 5), Mask: net.CIDRMask(24, 32)}})
		}, "has no address 192.168.77.5/24"},
		{func() error { return inside.LinkSetHardwareAddr(eth0(), []byte{2, 0, 0, 0, 0, 9}) }, "has the MAC 02:00:00:00:00:09"},
		{func() error { return inside.LinkSetName(eth0(), "eth9") }, "interface eth0 in " + in[0].Path()},
	} {
		r.add(list, one)
		check(t, r.check(list, one))
		check(t, c.spoil())
		eventually(t, c.says, func() bool {
			var said *types.Error
			err := r.check(list, one)
			return errors.As(err, &said) && said.Code == cni.CodeMissing && strings.Contains(said.Msg, c.says)
		})
		r.del(list, one)
		if names := interfaces(t, in[0]); !slices.Equal(names, []string{"lo"}) {
			t.Errorf("interfaces %q are left", names)
		}
	}
	r.del(list, keeper)
}

// A configuration that was changed, for the worse too, keeps nobody from being removed.
func TestCNIChangedConfiguration(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 3)
	r := startRuntime(t, a, "10.9.0.1")
	one, two := container("one", in[0]), container("two", in[1])
	list := r.conflist("1.1.0", "lab", toTwo)
	r.add(list, one)
	r.add(list, two)
	_, err := r.cni.AddNetworkList(within(t), r.conflist("1.1.0", "lab", `"vni":42,"remote":["10.9.0.3"]`), container("three", in[2]))
	refusedBy(t, err, types.ErrInvalidNetworkConfig, "network 42 is there already, and remote 10.9.0.3 contradicts it")
	r.del(r.conflist("1.1.0", "lab", `"vni":"lab","remotes":[{"to":"10.9.0.2"}]`), one)
	r.expectPorts("eth0@two")
	check(t, r.gc(r.conflist("1.1.0", "lab", fmt.Sprintf(`"vni":43,"remote":%q`, "nowhere"))))
	r.expectNothing(in...)
}
