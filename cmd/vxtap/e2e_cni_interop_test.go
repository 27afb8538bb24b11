//go:build linux && interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// vxtap cni with the reference plugins of Debian's containernetworking-plugins, which speak
// CNI up to 1.0.0.

const referencePlugins = "/usr/lib/cni"

// hostLocal delegates addresses to the reference plugin, which keeps them in a directory of
// the test's.
func hostLocal(dir string, first, last int) string {
	return fmt.Sprintf(`"ipam":{"type":"host-local","dataDir":%q,"routes":[{"dst":"0.0.0.0/0"},{"dst":"fd00::/8"}],"ranges":[
		[{"subnet":"192.168.77.0/24","rangeStart":"192.168.77.%d","rangeEnd":"192.168.77.%d","gateway":"192.168.77.1"}],
		[{"subnet":"fd77::/64","rangeStart":"fd77::%[2]d","rangeEnd":"fd77::%[3]d","gateway":"fd77::1"}]]}`, dir, first, last)
}

// leases are the addresses that host-local has given out.
func leases(t testing.TB, dir, network string) (list []string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, network))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); name != "lock" && len(name) > 0 && name[0] != 'l' {
			list = append(list, name)
		}
	}
	return list
}

// Addresses of host-local on two hosts, each with a range of its own, and the host as a
// gateway.
func TestCNIHostLocal(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.4.0", "1.0.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			in := containers(t, 3)
			ra, rb := startRuntime(t, a, "10.9.0.1", referencePlugins), startRuntime(t, b, "10.9.0.2", referencePlugins)
			da, db := t.TempDir(), t.TempDir()
			la := ra.conflist(version, "lab", toTwo+`,"address":["192.168.77.1/24","fd77::1/64"],`+hostLocal(da, 10, 11))
			lb := rb.conflist(version, "lab", `"vni":42,"remote":["10.9.0.1"],`+hostLocal(db, 20, 29))
			one, two, three := container("one", in[0]), container("two", in[1]), container("three", in[2])
			made := ra.add(la, one)
			if len(made.IPs) != 2 || made.IPs[0].Address.String() != "192.168.77.10/24" || made.IPs[1].Gateway.String() != "fd77::1" || *made.IPs[1].Interface != 0 {
				t.Errorf("addresses %v", made.IPs)
			}
			two.CapabilityArgs["ips"] = []string{"192.168.77.11"}
			if made := ra.add(la, two); made.IPs[0].Address.String() != "192.168.77.11/24" {
				t.Errorf("addresses %v", made.IPs)
			}
			three.Args = [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAME", "x"}, {"IP", "192.168.77.29"}, {"MAC", macB.String()}}
			if made := rb.add(lb, three); made.IPs[0].Address.String() != "192.168.77.29/24" || made.Interfaces[0].Mac != macB.String() {
				t.Errorf("made %v with %v", made.Interfaces, made.IPs)
			}
			for _, dst := range []string{"192.168.77.1", "192.168.77.11", "192.168.77.29", "fd77::20"} {
				ping(t, in[0], dst)
			}
			leavesBy(t, in[0], "1.2.3.4", "192.168.77.1")
			leavesBy(t, in[0], "fd12::1", "fd77::1")
			transfer(t, in[2], in[0], "192.168.77.10")
			check(t, ra.check(la, one))
			check(t, rb.check(lb, three))

			four := container("four", containers(t, 1)[0])
			_, err := ra.cni.AddNetworkList(within(t), la, four)
			refusedBy(t, err, types.ErrInternal, "ipam host-local: failed to allocate")
			one.NetNS = ""
			ra.del(la, one)
			ra.del(la, one)
			if got := leases(t, da, "lab"); !slices.Equal(got, []string{"192.168.77.11", "fd77::11"}) {
				t.Errorf("leases %v", got)
			}
			// What fails after the allocation gives it back.
			check(t, os.RemoveAll(filepath.Join(da, "lab")))
			_, err = ra.cni.AddNetworkList(within(t), ra.conflist(version, "lab", toTwo+`,"mtu":9000,`+hostLocal(da, 10, 11)), four)
			refusedBy(t, err, types.ErrInvalidNetworkConfig, "mtu 9000 contradicts")
			_, err = ra.cni.AddNetworkList(within(t), ra.conflist(version, "lab", toTwo+`,"ipam":{"type":"host-local","dataDir":"`+da+`","subnet":"10.9.0.0/24"}`), four)
			refusedBy(t, err, types.ErrInvalidNetworkConfig, "clashes with this host's route")
			if got := leases(t, da, "lab"); len(got) != 0 {
				t.Errorf("leases %v", got)
			}
			ra.del(la, two)
			ra.expectNothing(in[0], in[1])
			rb.del(lb, three)
			rb.expectNothing(in[2])
			if got := leases(t, db, "lab"); len(got) != 0 {
				t.Errorf("leases %v", got)
			}
		})
	}
}

// The reference plugins behind ours: a port of the host leads to the container, its interface
// is tuned, and the plugin that limits bandwidth lets it be where no limits are asked for.
func TestCNIChain(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.4.0", "1.0.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			in := containers(t, 1)[0]
			r := startRuntime(t, a, "10.9.0.1", referencePlugins)
			dir := t.TempDir()
			first := toTwo + `,"address":["192.168.77.1/24","fd77::1/64"],` + hostLocal(dir, 10, 20)
			tuning := `{"type":"tuning","capabilities":{"mac":true},"mtu":1300,"sysctl":{"net.ipv4.conf.eth0.arp_filter":"1"}}`
			bandwidth := `{"type":"bandwidth","capabilities":{"bandwidth":true}}`
			list := r.conflist(version, "lab", first, tuning, bandwidth, `{"type":"portmap","capabilities":{"portMappings":true}}`)
			one := container("one", in)
			one.CapabilityArgs["mac"] = macB.String()
			one.CapabilityArgs["portMappings"] = []map[string]any{{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}}
			made := r.add(list, one)
			if len(made.Interfaces) != 1 || made.Interfaces[0].Mac != macB.String() {
				t.Errorf("made %v", made.Interfaces)
			}
			link, err := in.Netlink().LinkByName("eth0")
			check(t, err)
			if link.Attrs().MTU != 1300 {
				t.Errorf("MTU %d", link.Attrs().MTU)
			}
			// Of Debian's, bandwidth checks for a veth and portmap for IPv4's rules among IPv6's,
			// whatever the first plugin did.
			check(t, r.check(r.conflist(version, "lab", first, tuning), one))
			check(t, a.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
			published(t, b, in, "10.9.0.1:8080")
			r.del(list, one)
			r.expectNothing(in)

			// Limits need a veth, and the plugin says so. A runtime then removes the container.
			one.CapabilityArgs["bandwidth"] = map[string]int{"ingressRate": 1e6, "ingressBurst": 1e6}
			_, err = r.cni.AddNetworkList(within(t), list, one)
			refusedBy(t, err, types.ErrInternal, "no veth peer")
			r.del(list, one)
			r.expectNothing(in)
			if got := leases(t, dir, "lab"); len(got) != 0 {
				t.Errorf("leases %v", got)
			}
		})
	}
}

// published holds that a container's port 80 is reached at a host's address.
func published(t *testing.T, from, in *netlab.Host, at string) {
	t.Helper()
	ln, err := in.Listen("tcp", "0.0.0.0:80")
	check(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "from the container")
			c.Close()
		}
	}()
	c, err := from.DialContext(within(t), "tcp", at)
	check(t, err)
	defer c.Close()
	said := make([]byte, len("from the container"))
	if n, err := c.Read(said); err != nil || string(said[:n]) != "from the container" {
		t.Errorf("%q, %v", said[:n], err)
	}
}

// A plugin that is killed while an address plugin works for it, or just after, leaves nothing
// once DEL has followed, though that comes while the allocation is still under way.
func TestCNIKilledAllocating(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"before": "conf=$(cat); kill -9 $PPID; read -t 1 nothing <>never; echo \"$conf\" | " + referencePlugins + "/host-local",
		"after":  referencePlugins + "/host-local; kill -9 $PPID",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			in := containers(t, 1)[0]
			dir, bin := t.TempDir(), t.TempDir()
			check(t, unix.Mkfifo(filepath.Join(bin, "never"), 0o600)) // into which nobody writes
			text := "#!/bin/bash\ncd " + bin + "\n[ $CNI_COMMAND = ADD ] || exec " + referencePlugins + "/host-local\n" + script + "\n: >ended\n"
			check(t, os.WriteFile(filepath.Join(bin, "deadly"), []byte(text), 0o755))
			r := startRuntime(t, a, "10.9.0.1", bin)
			list := r.conflist("1.0.0", "lab", toTwo+","+strings.Replace(hostLocal(dir, 10, 19), "host-local", "deadly", 1))
			one := container("one", in)
			_, err := r.cni.AddNetworkList(within(t), list, one)
			if err == nil || !strings.Contains(err.Error(), "signal: killed") {
				t.Errorf("ADD ended with %v", err)
			}
			r.del(list, one)
			eventually(t, "the address plugin ends", func() bool { _, err := os.Stat(filepath.Join(bin, "ended")); return err == nil })
			if got := leases(t, dir, "lab"); len(got) != 0 {
				t.Errorf("leases %v", got)
			}
			r.expectNothing(in)
		})
	}
}

// A result that cannot be told is no success: the port and its addresses are taken back.
func TestCNIUntold(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 1)[0]
	r := startRuntime(t, a, "10.9.0.1", referencePlugins)
	dir := t.TempDir()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	check(t, err)
	defer full.Close()
	r.exec.stdout = full
	_, err = r.cni.AddNetworkList(within(t), r.conflist("1.0.0", "lab", toTwo+","+hostLocal(dir, 10, 19)), container("one", in))
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("ADD ended with %v", err)
	}
	r.expectNothing(in)
	if got := leases(t, dir, "lab"); len(got) != 0 {
		t.Errorf("leases %v", got)
	}
}
