package tap_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// Everything in Config is what the interface then has, and what the device says.
func TestOpenSetsUp(t *testing.T) {
	for _, portable := range []bool{false, true} {
		h := newHost(t)
		d := h.open(tap.Config{MTU: 1450, TxQueueLen: 777, Portable: portable})
		a := h.link("vx42").Attrs()
		got := fmt.Sprintln(a.MTU, a.TxQLen, a.HardwareAddr, a.Flags&net.FlagUp)
		if want := fmt.Sprintln(1450, 777, kernelMAC, "up"); got != want {
			t.Errorf("the interface has %s, want %s", got, want)
		}
		if d.Name() != "vx42" || d.MTU() != 1450 || d.MAC() != kernelMAC {
			t.Errorf("the device says %s %d %s", d.Name(), d.MTU(), d.MAC())
		}
		want := map[bool]string{false: "linux vnet_hdr", true: "portable water"}[portable]
		if d.Driver() != want {
			t.Errorf("driver %q, want %q", d.Driver(), want)
		}
		h.wantAddresses("vx42")
		h.wantNoQdisc("vx42")
	}
}

// wantNoQdisc wants no queues of the kernel's before those of the device.
func (h *host) wantNoQdisc(name string) {
	h.t.Helper()
	link := h.link(name)
	h.do(func() error {
		list, err := netlink.QdiscList(link)
		if len(list) != 1 || list[0].Type() != "noqueue" {
			h.t.Errorf("%s has %d qdiscs: %v", name, len(list), list)
		}
		return err
	})
}

// wantAddresses wants kernelIPs on an interface, ready for use.
func (h *host) wantAddresses(name string) {
	h.t.Helper()
	link := h.link(name)
	have := map[string]bool{}
	h.do(func() error {
		list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		for _, a := range list {
			have[a.IPNet.String()] = a.Flags&unix.IFA_F_TENTATIVE == 0
		}
		return err
	})
	for _, p := range kernelIPs {
		if !have[p.String()] {
			h.t.Errorf("%s is not there or not ready: %v", p, have)
		}
	}
}

// The zero Config leaves name, MTU and MAC to the kernel, and the rest to defaults.
func TestOpenZeroConfig(t *testing.T) {
	h := newHost(t)
	h.do(func() error {
		d, err := tap.Open(tap.Config{})
		if err != nil {
			return err
		}
		link, err := netlink.LinkByName(d.Name())
		if err != nil {
			return err
		}
		a := link.Attrs()
		if d.MTU() != 1500 || d.MAC().IsZero() || d.MAC().String() != a.HardwareAddr.String() || a.TxQLen != tap.DefaultTxQueueLen || len(d.Queues()) != 1 {
			t.Errorf("%s has MTU %d, MAC %s (%s), queue %d", d.Name(), d.MTU(), d.MAC(), a.HardwareAddr, a.TxQLen)
		}
		return d.Close()
	})
}

// What is wrong with a Config is said in one line, with the value, before anything is
// made.
func TestOpenRefusesConfig(t *testing.T) {
	h := newHost(t)
	cases := []struct {
		config tap.Config
		is     error
		says   string
	}{
		{tap.Config{Name: "sixteen-bytes-xx"}, tap.ErrName, "sixteen-bytes-xx"},
		{tap.Config{Name: "a/b"}, tap.ErrName, "a/b"},
		{tap.Config{Name: "a b"}, tap.ErrName, "a b"},
		{tap.Config{Name: "vx%d"}, tap.ErrName, "vx%d"},
		{tap.Config{Name: "vx\u00e0"}, tap.ErrName, "vx\u00e0"}, // ends in byte 0xa0
		{tap.Config{Name: ".."}, tap.ErrName, ".."},
		{tap.Config{MTU: 67}, nil, "67"},
		{tap.Config{MTU: 65522}, nil, "65522"},
		{tap.Config{MAC: encap.Broadcast}, nil, "ff:ff"},
		{tap.Config{TxQueueLen: -1}, nil, "-1"},
		{tap.Config{Queues: 257}, nil, "257"},
		{tap.Config{Addresses: []netip.Prefix{{}}}, nil, "invalid Prefix"},
		{tap.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("224.0.0.1/4")}}, nil, "224.0.0.1/4"},
		{tap.Config{NetNS: "no-such-namespace"}, fs.ErrNotExist, "/run/netns/no-such-namespace"},
		{tap.Config{MTU: 1000, Addresses: kernelIPs}, nil, "IPv6 is off"},
	}
	for _, c := range cases {
		for _, portable := range []bool{false, true} {
			c.config.Portable = portable
			if c.config.NetNS == "" {
				c.config.NetNS = h.path()
			}
			d, err := tap.Open(c.config)
			if err == nil {
				t.Errorf("%+v was opened", c.config)
				d.Close()
				continue
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || (c.is != nil && !errors.Is(err, c.is)) {
				t.Errorf("%+v: %v", c.config, err)
			}
		}
	}
	h.wantLinks("lo")
}

// wantLinks wants exactly these interfaces in the namespace.
func (h *host) wantLinks(want ...string) {
	h.t.Helper()
	var have []string
	h.do(func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			have = append(have, l.Attrs().Name)
		}
		return err
	})
	if fmt.Sprint(have) != fmt.Sprint(want) {
		h.t.Errorf("interfaces %v, want %v", have, want)
	}
}

// An interface that we did not make is never taken, whatever it is, and stays.
func TestOpenNameTaken(t *testing.T) {
	for _, portable := range []bool{false, true} {
		h := newHost(t)
		others := []netlink.Link{
			&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "veth"}, PeerName: "peer"},
			&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "bridge"}},
			// Persistent and without a queue: the kernel would let us have it.
			&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "idle"}, Mode: netlink.TUNTAP_MODE_TAP},
		}
		for _, link := range others {
			h.do(func() error { return netlink.LinkAdd(link) })
			name := link.Attrs().Name
			d, err := tap.Open(tap.Config{Name: name, NetNS: h.path(), Portable: portable})
			if err == nil {
				d.Close()
			}
			if !errors.Is(err, tap.ErrExists) || !strings.Contains(err.Error(), "interface "+name+" already exists; choose another name (--tap, or --device of a port), or remove it") {
				t.Errorf("portable %v, %s: %v", portable, name, err)
			}
			if !h.hasLink(name) {
				t.Errorf("%s is gone", name)
			}
		}
	}
}

// Without /dev/net/tun, and without the capability, the error says what to do.
func TestOpenNotPossible(t *testing.T) {
	h := newHost(t)
	for _, portable := range []bool{false, true} {
		c := tap.Config{Name: "vx42", Portable: portable}
		var err error
		h.do(func() error {
			if err := hideDevices(); err != nil {
				return err
			}
			_, err = tap.Open(c)
			return nil
		})
		if !errors.Is(err, tap.ErrNoTUN) || !strings.Contains(err.Error(), "modprobe tun") || !strings.Contains(err.Error(), "--device /dev/net/tun") {
			t.Errorf("portable %v, no device: %v", portable, err)
		}
		h.do(func() error {
			if err := dropCapabilities(); err != nil {
				return err
			}
			_, err = tap.Open(c)
			return nil
		})
		if !errors.Is(err, tap.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("portable %v, no capability: %v", portable, err)
		}
	}
}

// hideDevices gives the calling thread an empty /dev/net.
func hideDevices() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("none", "/dev/net", "tmpfs", 0, "")
}

// dropCapabilities leaves the calling thread with none.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// A device moves between namespaces, also after somebody else moved and renamed it,
// with its addresses and its queues.
func TestMove(t *testing.T) {
	for _, portable := range []bool{false, true} {
		from, to := newHost(t), newHost(t)
		d := from.open(tap.Config{Portable: portable})
		if err := d.Move(to.path()); err != nil {
			t.Fatal(err)
		}
		from.wantLinks("lo")
		to.wantAddresses("vx42")
		to.wantNoQdisc("vx42")
		checkReceives(t, to, d)

		link := to.link("vx42")
		to.do(func() error {
			return errors.Join(netlink.LinkSetDown(link), netlink.LinkSetName(link, "eth0"), netlink.LinkSetNsFd(link, int(from.ns)))
		})
		if _, err := d.Drops(); err != nil {
			t.Error(err)
		}
		if err := d.Move(from.path()); err != nil { // where it is already
			t.Fatal(err)
		}
		from.wantAddresses("eth0")
		from.wantNoQdisc("eth0")
		if err := d.Move(to.path()); err != nil {
			t.Fatal(err)
		}
		to.wantAddresses("eth0")
		to.wantNoQdisc("eth0")
		checkReceives(t, to, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		to.wantLinks("lo")
		if err := d.Move(from.path()); err == nil {
			t.Error("a closed device was moved")
		}
	}
}

// checkReceives wants what is written to d to arrive in h.
func checkReceives(t *testing.T, h *host, d *tap.Device) {
	t.Helper()
	conn := h.udp(kernelUDP4.String())
	defer conn.Close()
	write(t, d.Queues()[0], encap.Frame{Data: frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, []byte("moved"))})
	expect(t, conn, []byte("moved"))
}

// A name that is taken where the device is to go is said, and it stays where it is.
func TestMoveNameTaken(t *testing.T) {
	from, to := newHost(t), newHost(t)
	d := from.open(tap.Config{})
	to.do(func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "vx42"}})
	})
	if err := d.Move(to.path()); !errors.Is(err, tap.ErrExists) || !strings.Contains(err.Error(), "vx42") {
		t.Errorf("got error %v", err)
	}
	checkReceives(t, from, d)
	if err := d.Move("no-such-namespace"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
}

// A namespace can be named as `ip netns` does.
func TestNamedNamespace(t *testing.T) {
	name := fmt.Sprintf("vxtap-test-%d", os.Getpid())
	var err error
	onThread(func() {
		var ns netns.NsHandle
		if ns, err = netns.NewNamed(name); err == nil {
			err = ns.Close()
		}
	})
	t.Cleanup(func() {
		if err := netns.DeleteNamed(name); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := tap.Open(tap.Config{Name: "vx42", NetNS: name})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	h := &host{t: t}
	if h.ns, err = netns.GetFromPath(filepath.Join("/run/netns", name)); err != nil {
		t.Fatal(err)
	}
	defer h.ns.Close()
	h.wantLinks("lo", "vx42")
}

// What finds the ring full is counted.
func TestDropsWhenFull(t *testing.T) {
	h := newHost(t)
	d := h.open(tap.Config{TxQueueLen: 10})
	conn := h.udp(kernelUDP4.String())
	for range 100 {
		if _, err := conn.WriteToUDPAddrPort([]byte("flood"), ourUDP4); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.Drops(); err != nil || n < 90 {
		t.Errorf("%d drops, %v; want at least 90", n, err)
	}
}

// Opening and moving leaves no thread in a namespace that is not its own: whichever
// thread a goroutine runs on, it is in that of the process.
func TestThreadsComeHome(t *testing.T) {
	home, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	a, b := newHost(t), newHost(t)
	d := a.open(tap.Config{})
	for range 20 {
		if err := errors.Join(d.Move(b.path()), d.Move(a.path())); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Drops(); err != nil {
			t.Fatal(err)
		}
		here, err := os.Readlink("/proc/thread-self/ns/net")
		if err != nil || here != home {
			t.Fatalf("this thread is in %s, not %s: %v", here, home, err)
		}
	}
}

// Somebody takes an interface that was left down to another namespace, as Docker does; what
// that undid is done again.
func TestFollow(t *testing.T) {
	for _, portable := range []bool{false, true} {
		from, to := newHost(t), newHost(t)
		var d *tap.Device
		from.do(func() (err error) {
			d, err = tap.Open(tap.Config{Name: "vx42", Down: true, Queues: 2, Portable: portable})
			return err
		})
		defer d.Close()
		if from.link("vx42").Attrs().Flags&net.FlagUp != 0 {
			t.Error("the interface is up")
		}
		early, stop := context.WithCancel(t.Context())
		stop()
		if _, err := d.Follow(early); !errors.Is(err, context.Canceled) {
			t.Errorf("followed to nowhere: %v", err)
		}
		link := from.link("vx42")
		from.do(func() error { return netlink.LinkSetNsFd(link, int(to.ns)) })
		link = to.link("vx42")
		to.do(func() error { return errors.Join(netlink.LinkSetName(link, "eth0"), netlink.LinkSetUp(link)) })
		if name, err := d.Follow(t.Context()); name != "eth0" || err != nil {
			t.Errorf("followed to %q, %v", name, err)
		}
		to.wantNoQdisc("eth0")
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := d.Follow(t.Context()); err == nil {
			t.Error("followed a device that is closed")
		}
	}
	if _, err := tap.Open(tap.Config{Down: true, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}); err == nil {
		t.Error("an interface that is down has addresses")
	}
}

// A container has no IPv6 until an interface of it gets such an address.
func TestIPv6WhereItIsOff(t *testing.T) {
	h := newHost(t)
	h.do(func() error {
		return errors.Join(
			os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0))
	})
	h.open(tap.Config{})
	h.wantAddresses("vx42")
}
