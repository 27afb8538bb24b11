package underlay_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/underlay"
)

func TestPortTakenByProcess(t *testing.T) {
	inNamespace(t)
	for _, test := range []struct{ network, holder, local string }{
		{"udp4", "127.0.0.1", "127.0.0.1"},
		{"udp4", "0.0.0.0", "127.0.0.1"},
		{"udp", "::", "127.0.0.1"}, // of both families
		{"udp6", "::", "::1"},
		{"udp6", "::1", "::1"},
	} {
		holder, err := net.ListenUDP(test.network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(test.holder), 4789)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = underlay.Open(underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(test.local), 4789)})
		holder.Close()
		want := fmt.Sprintf("process %d (", os.Getpid())
		var taken *underlay.PortTakenError
		if !errors.As(err, &taken) || !strings.HasPrefix(taken.Owner, want) {
			t.Errorf("%s held: %v, want owner %q", test.holder, err, want)
		}
	}
}

func TestPortTakenByKernel(t *testing.T) {
	inNamespace(t)
	address(t, "lo", "10.9.0.1/32", "fd00:9::1/128")
	for name, local := range map[string]string{"vxlan7": "10.9.0.1", "vxlan6": "fd00:9::1"} {
		vxlan := &netlink.Vxlan{
			LinkAttrs: netlink.LinkAttrs{Name: name},
			VxlanId:   7, Port: 4789, SrcAddr: net.ParseIP(local), Learning: true,
		}
		if err := netlink.LinkAdd(vxlan); err != nil {
			t.Fatal(err)
		}
		config := underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(local), 4789)}
		free, err := underlay.Open(config)
		if err != nil {
			t.Fatalf("the interface is down, but: %v", err)
		}
		free.Close()
		up(t, name)
		_, err = underlay.Open(config)
		var taken *underlay.PortTakenError
		if !errors.As(err, &taken) || taken.Owner != "kernel VXLAN interface "+name {
			t.Errorf("%s: %v", name, err)
		}
		if err := netlink.LinkDel(vxlan); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrivilegedPort(t *testing.T) {
	inNamespace(t)
	without(t, unix.CAP_NET_BIND_SERVICE, func() {
		for _, portable := range []bool{false, true} {
			_, err := underlay.Open(underlay.Config{Local: netip.MustParseAddrPort("127.0.0.1:789"), Portable: portable})
			if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestTentativeAddress(t *testing.T) {
	inNamespace(t)
	peer(t, nil, nil)
	a, err := netlink.ParseAddr("fd00:9::1/64")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link(t, "u0"), a); err != nil {
		t.Fatal(err)
	}
	_, err = underlay.Open(underlay.Config{Local: netip.MustParseAddrPort("[fd00:9::1]:4789")})
	var missing *underlay.NoAddressError
	if !errors.As(err, &missing) || !missing.Tentative {
		t.Errorf("got %v", err)
	}
}

func TestReceiveBuffer(t *testing.T) {
	const beyond = 64 << 20 // more than net.core.rmem_max
	config := underlay.Config{Local: netip.AddrPortFrom(v4, 0), ReceiveBuffer: beyond}
	if got, wanted := open(t, config).ReceiveBuffer(); got != beyond || wanted != beyond {
		t.Errorf("forced: got %d of %d", got, wanted)
	}
	without(t, unix.CAP_NET_ADMIN, func() {
		if got, wanted := open(t, config).ReceiveBuffer(); got >= beyond || got == 0 || wanted != beyond {
			t.Errorf("without CAP_NET_ADMIN: got %d of %d", got, wanted)
		}
	})
}

// without runs f on a thread that lacks a capability. The test must be locked to its
// thread if f opens anything in a namespace.
func without(t *testing.T, capability int, f func()) {
	t.Helper()
	done := make(chan struct{})
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		caps[capability/32].Effective &^= 1 << (capability % 32)
		if err := unix.Capset(&header, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}
