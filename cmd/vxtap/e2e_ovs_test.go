//go:build linux && interop

package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// openVSwitch is one that runs in userspace in a host, with all its files in a folder of
// its own.
type openVSwitch struct {
	t   *testing.T
	h   *netlab.Host
	dir string
}

// startOVS starts database and switch. They end with the test.
func startOVS(t *testing.T, h *netlab.Host) *openVSwitch {
	t.Helper()
	dir, err := os.MkdirTemp("", "ovs") // short enough for sockets
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	o := &openVSwitch{t, h, dir}
	conf, socket := filepath.Join(dir, "conf.db"), filepath.Join(dir, "db.sock")
	o.run("ovsdb-tool", "create", conf, "/usr/share/openvswitch/vswitch.ovsschema")
	o.serve("ovsdb-server", conf, "--remote=punix:"+socket, "--unixctl="+filepath.Join(dir, "db.ctl"))
	eventually(t, "the database answers", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	o.vsctl("--no-wait", "init")
	o.serve("ovs-vswitchd", "unix:"+socket, "--unixctl="+filepath.Join(dir, "switch.ctl"), "--disable-system")
	return o
}

func (o *openVSwitch) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(within(o.t), name, args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+o.dir, "OVS_LOGDIR="+o.dir, "OVS_DBDIR="+o.dir, "OVS_SYSCONFDIR="+o.dir)
	return cmd
}

// serve starts a program that runs until the test ends.
func (o *openVSwitch) serve(name string, args ...string) {
	o.t.Helper()
	cmd := o.command(name, append(args, "--log-file="+filepath.Join(o.dir, name+".log"), "-vconsole:off")...)
	check(o.t, o.h.Start(cmd))
	o.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if o.t.Failed() {
			log, _ := os.ReadFile(filepath.Join(o.dir, name+".log"))
			o.t.Logf("%s:\n%s", name, log)
		}
	})
}

// run runs a program and expects it to end well.
func (o *openVSwitch) run(name string, args ...string) {
	o.t.Helper()
	cmd := o.command(name, args...)
	var out childLog
	out.changed = make(chan struct{})
	cmd.Stdout, cmd.Stderr = &out, &out
	check(o.t, o.h.Start(cmd))
	if err := cmd.Wait(); err != nil {
		o.t.Fatalf("%s %q: %v: %s", name, args, err, out.String())
	}
}

func (o *openVSwitch) vsctl(args ...string) {
	o.t.Helper()
	o.run("ovs-vsctl", append([]string{"--db=unix:" + filepath.Join(o.dir, "db.sock"), "--timeout=60", "--retry"}, args...)...)
}

// connect has the switch be a VTEP at local, with which a network of the host continues.
func (o *openVSwitch) connect(local, remote string, vni int, inner string) {
	t, h := o.t, o.h
	t.Helper()
	mac := hardwareAddr(t, h, "eth0")
	o.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "other-config:hwaddr="+mac.String(),
		"--", "add-port", "br-phy", "eth0")
	o.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev",
		"--", "add-port", "br-int", "vx0", "--", "set", "interface", "vx0", "type=vxlan",
		"options:remote_ip="+remote, "options:local_ip="+local, fmt.Sprint("options:key=", vni), "options:dst_port=4789")
	// The switch has the cable now, so the host's address is on the bridge.
	link, err := h.Netlink().LinkByName("eth0")
	check(t, err)
	addrs, err := h.Netlink().AddrList(link, 2)
	check(t, err)
	for i := range addrs {
		check(t, h.Netlink().AddrDel(link, &addrs[i]))
	}
	for ifname, addr := range map[string]string{"br-phy": local + "/24", "br-int": inner + "/24"} {
		l, err := h.Netlink().LinkByName(ifname)
		check(t, err)
		check(t, h.Netlink().LinkSetMTU(l, map[string]int{"br-phy": 1500, "br-int": 1450}[ifname]))
		check(t, h.Netlink().LinkSetUp(l))
		check(t, h.AddAddress(ifname, netip.MustParsePrefix(addr)))
	}
}

// Open vSwitch without its kernel module drops every datagram whose outer checksum is
// unfinished, as all are on a veth; it takes those that have none.
func TestOpenVSwitch(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	o := startOVS(t, b)
	o.connect("10.9.0.2", "10.9.0.1", 42, innerB)
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--udpcsum=false", "--address", innerA+"/24")
	eventually(t, "the switch answers", func() bool {
		rtts, err := a.Ping(within(t), ip(innerB), 1, 56)
		return err == nil && len(rtts) == 1
	})
	ping(t, a, innerB)
	ping(t, b, innerA)
	for _, way := range []struct {
		from, to *netlab.Host
		addr     string
	}{{a, b, innerB}, {b, a, innerA}} {
		_, err := netlab.Transfer(within(t), way.from, way.to, netip.MustParseAddrPort(way.addr+":0"), netlab.TransferConfig{Bytes: 8 << 20, Verify: true})
		check(t, err)
	}
	nothingLost(t, v)
}
