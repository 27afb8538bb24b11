//go:build linux

package main

import (
	"fmt"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/vxtap/vxtap/control/cni"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// vxtap cni under libcni, which is what runtimes embed. Here addresses come from the runtime
// (capability ips); with address plugins and in chains it is in the tests tagged interop.

// Containers on two hosts reach each other, by every command of every version.
func TestCNI(t *testing.T) {
	t.Parallel()
	for _, version := range cni.Versions.SupportedVersions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			in := containers(t, 3)
			ra, rb := startRuntime(t, a, "10.9.0.1"), startRuntime(t, b, "10.9.0.2")
			la := ra.conflist(version, "lab", `"vni":42,"remote":["10.9.0.2"]`)
			lb := rb.conflist(version, "lab", `"vni":42,"remote":["10.9.0.1"],"mtu":1400`)
			check(t, ra.status(la))

			one, two, three := container("one", in[0], "192.168.77.1/24", "fd77::1/64"), container("two", in[1], "192.168.77.2/24"), container("three", in[2], "192.168.77.3/24", "fd77::3/64")
			three.CapabilityArgs["mac"] = macB.String()
			made := ra.add(la, one)
			if len(made.Interfaces) != 1 || made.Interfaces[0].Name != "eth0" || made.Interfaces[0].Sandbox != in[0].Path() ||
				made.Interfaces[0].Mac != "02:42:c0:a8:4d:01" || version != "0.4.0" && made.Interfaces[0].Mtu != 1450 {
				t.Errorf("made %v", made.Interfaces)
			}
			if len(made.IPs) != 2 || made.IPs[0].Address.String() != "192.168.77.1/24" || *made.IPs[0].Interface != 0 || made.IPs[1].Address.String() != "fd77::1/64" {
				t.Errorf("with addresses %v", made.IPs)
			}
			ra.add(la, two)
			if made := rb.add(lb, three); made.Interfaces[0].Mac != macB.String() || hardwareAddr(t, in[2], "eth0").String() != macB.String() {
				t.Errorf("made %v", made.Interfaces)
			}
			ra.expectPorts("eth0@one", "eth0@two")
			ping(t, in[0], "192.168.77.2")
			for _, dst := range []string{"192.168.77.3", "fd77::3"} {
				ping(t, in[0], dst)
				transfer(t, in[0], in[2], dst)
			}
			check(t, ra.check(la, one))
			check(t, rb.check(lb, three))

			ra.del(la, one)
			ra.expectPorts("eth0@two")
			ra.del(la, one)
			ping(t, in[1], "192.168.77.3")
			// GC removes the one that the runtime does not name; DEL succeeds after it, without
			// a namespace and without having been told what was made.
			ra.add(la, one)
			check(t, ra.gc(la, two))
			ra.expectPorts("eth0@two")
			ping(t, in[1], "192.168.77.3")
			two.NetNS = ""
			ra.del(la, two)
			check(t, newRuntime(t, a, ra.agent).cni.DelNetworkList(within(t), la, two))
			ra.expectNothing(in[0], in[1])
			rb.del(lb, three)
			rb.expectNothing(in[2])
		})
	}
}

func (r *runtimeHost) status(list *libcni.NetworkConfigList) error {
	r.t.Helper()
	return r.cni.GetStatusNetworkList(within(r.t), list)
}

// gc has all be removed but some containers. libcni sends GC from version 1.1.0 on, and DEL
// for those that it remembers in any.
func (r *runtimeHost) gc(list *libcni.NetworkConfigList, valid ...*libcni.RuntimeConf) error {
	r.t.Helper()
	args := &libcni.GCArgs{}
	for _, rt := range valid {
		args.ValidAttachments = append(args.ValidAttachments, types.GCAttachment{ContainerID: rt.ContainerID, IfName: rt.IfName})
	}
	return r.cni.GCNetworkList(within(r.t), list, args)
}

// GC alone, of a runtime that remembers nothing, leaves other networks on the same VNI.
func TestCNIGC(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 3)
	r := startRuntime(t, a, "10.9.0.1")
	lab := r.conflist("1.1.0", "lab", `"vni":42,"remote":["10.9.0.2"]`)
	other := r.conflist("1.1.0", "other", `"vni":42`)
	one, two, three := container("one", in[0]), container("two", in[1]), container("three", in[2])
	r.add(lab, one)
	r.add(lab, two)
	r.add(other, three)
	forgetful := newRuntime(t, a, r.agent)
	check(t, forgetful.gc(lab, two))
	r.expectPorts("eth0@three", "eth0@two")
	check(t, forgetful.gc(lab))
	r.expectPorts("eth0@three")
	check(t, forgetful.gc(other))
	r.expectNothing(in...)
}

// A network that others made is joined, and stays when the last container leaves.
func TestCNIJoins(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)
	agent := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--address", "192.168.77.1/24")
	r := newRuntime(t, a, agent)
	one := container("one", in[0], "192.168.77.5/24")
	_, err := r.cni.AddNetworkList(within(t), r.conflist("1.1.0", "lab", `"vni":42,"remote":["10.9.0.3"]`), one)
	refusedBy(t, err, types.ErrInvalidNetworkConfig, "remote 10.9.0.3 contradicts it")
	list := r.conflist("1.1.0", "lab", `"vni":42,"remote":["10.9.0.2"]`)
	r.add(list, one)
	r.expectPorts("eth0@one", "vx42")
	ping(t, in[0], "192.168.77.1")
	r.del(list, one)
	r.expectPorts("vx42")
}

// With an address of its own the host is on the network, for as long as a container is.
func TestCNIGateway(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", `"vni":42,"remote":["10.9.0.2"],"address":"192.168.77.1/24"`)
	one := container("one", in[0], "192.168.77.5/24")
	r.add(list, one)
	r.expectPorts("eth0@one", "vx42")
	ping(t, in[0], "192.168.77.1")
	check(t, in[0].DeleteLink("eth0")) // and what was wanted is gone already
	eventually(t, "the network goes with its last port", func() bool { return len(r.networks()) == 0 })
	r.del(list, one)
	r.expectNothing(in[0])
}

// The resolver's configuration is handed through, and names are kept with the port.
func TestCNIDNSAndAliases(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", `"vni":42,"remote":["10.9.0.2"],"dns":{"nameservers":["192.168.77.9"],"domain":"lab.test"}`)
	one, two := container("one", in[0]), container("two", in[1])
	one.CapabilityArgs["dns"] = map[string][]string{"searches": {"a.test"}}
	one.CapabilityArgs["aliases"] = []string{"db"}
	two.CapabilityArgs["dns"] = map[string][]string{"servers": {"192.168.77.8"}, "options": {"ndots:1"}}
	two.CapabilityArgs["aliases"] = map[string][]string{"lab": {"web"}, "other": {"no"}} // as podman says it
	if got := fmt.Sprintf("%+v", r.add(list, one).DNS); got != "{Nameservers:[192.168.77.9] Domain:lab.test Search:[a.test] Options:[]}" {
		t.Errorf("DNS %s", got)
	}
	if got := fmt.Sprintf("%+v", r.add(list, two).DNS); got != "{Nameservers:[192.168.77.8] Domain:lab.test Search:[] Options:[ndots:1]}" {
		t.Errorf("DNS %s", got)
	}
	ports := r.networks()[0].Ports
	if got := fmt.Sprintln(ports[0].Aliases, ports[1].Aliases, ports[0].Owner); got != "[db] [web] cni:lab\n" {
		t.Errorf("ports have %s", got)
	}
	r.del(list, one)
	r.del(list, two)
}

// The example of the help is one that runtimes and we take; all that is missing is an agent.
func TestCNIExample(t *testing.T) {
	t.Parallel()
	list, err := libcni.ConfListFromBytes([]byte(exampleConflist))
	check(t, err)
	list.CNIVersion = "1.1.0" // to be asked at all
	r := newRuntime(t, newHost(t, newLab(t), "a"), nil)
	r.exec.env = []string{"VXTAP_SOCKET=" + newSocket(t)}
	refusedBy(t, r.status(list), types.ErrLimitedConnectivity, "no vxtap agent answers on ")
}
