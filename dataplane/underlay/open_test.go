package underlay_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/underlay"
)

func TestBadConfig(t *testing.T) {
	local := netip.MustParseAddrPort("127.0.0.1:0")
	for want, config := range map[string]underlay.Config{
		"no local address":       {},
		"cannot answer from ::":  {Local: netip.MustParseAddrPort("[::]:4789")},
		"answer from 0.0.0.0":    {Local: netip.MustParseAddrPort("0.0.0.0:4789")},
		"answer from 239.1.1.1":  {Local: netip.MustParseAddrPort("239.1.1.1:4789")},
		"needs its interface":    {Local: netip.MustParseAddrPort("[fe80::1]:4789")},
		"nosuch0":                {Local: netip.MustParseAddrPort("[fe80::1%nosuch0]:4789")},
		"3 source ports":         {Local: local, Sources: 3},
		"32 source ports":        {Local: local, Sources: 32},
		"-2 source ports":        {Local: local, Sources: -2},
		"buffers of -1 and 0":    {Local: local, ReceiveBuffer: -1},
		"address 203.0.113.1;":   {Local: netip.MustParseAddrPort("203.0.113.1:4789")},
		"address 2001:db8::1234": {Local: netip.MustParseAddrPort("[2001:db8::1234]:4789")},
	} {
		for _, portable := range []bool{false, true} {
			config.Portable = portable
			_, err := underlay.Open(config)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v: %v, want it to say %q", config, err, want)
			}
		}
	}
}

func TestNoAddress(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		config := s.config()
		config.Local = netip.MustParseAddrPort("203.0.113.1:4789")
		_, err := underlay.Open(config)
		var missing *underlay.NoAddressError
		if !errors.As(err, &missing) || missing.Addr != config.Local.Addr() || missing.Tentative {
			t.Errorf("got %v", err)
		}
		if !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("%v does not wrap EADDRNOTAVAIL", err)
		}
	})
}

func TestPortTaken(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		config := s.config()
		config.Local = open(t, s.config()).Local()
		_, err := underlay.Open(config)
		var taken *underlay.PortTakenError
		if !errors.As(err, &taken) || taken.Local != config.Local || taken.Owner == "" {
			t.Errorf("got %v", err)
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%v does not wrap EADDRINUSE", err)
		}
	})
}

// A mapped local address is its IPv4 address.
func TestMappedLocal(t *testing.T) {
	s := open(t, underlay.Config{Local: netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")})
	if !s.Local().Addr().Is4() {
		t.Errorf("bound to %v", s.Local())
	}
}

func TestMTU(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 {
			continue
		}
		for _, local := range []string{"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"} {
			if mtu, err := underlay.MTU(netip.MustParseAddr(local)); mtu != i.MTU || err != nil {
				t.Errorf("%s: MTU %d: %v; want %d", local, mtu, err, i.MTU)
			}
		}
	}
	var missing *underlay.NoAddressError
	if _, err := underlay.MTU(netip.MustParseAddr("203.0.113.1")); !errors.As(err, &missing) {
		t.Errorf("MTU of an address we do not have: %v", err)
	}
}
