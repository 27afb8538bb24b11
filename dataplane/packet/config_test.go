package packet_test

import (
	"errors"
	"testing"

	"github.com/vxtap/vxtap/dataplane/packet"
)

func TestSplitVLAN(t *testing.T) {
	for _, c := range []struct {
		name, base string
		vlan       uint16
		ok         bool
	}{
		{"eth1.100", "eth1", 100, true},
		{"eth1.1", "eth1", 1, true},
		{"eth1.4094", "eth1", 4094, true},
		{"br.lan.7", "br.lan", 7, true},
		{"eth1", "eth1", 0, false},
		{"eth1.", "eth1.", 0, false},
		{"eth1.0", "eth1.0", 0, false},
		{"eth1.4095", "eth1.4095", 0, false},
		{"eth1.010", "eth1.010", 0, false},
		{"eth1.+7", "eth1.+7", 0, false},
		{"eth1.x", "eth1.x", 0, false},
		{".100", ".100", 0, false},
		{"", "", 0, false},
	} {
		base, vlan, ok := packet.SplitVLAN(c.name)
		if base != c.base || vlan != c.vlan || ok != c.ok {
			t.Errorf("%q: %q, %d, %v", c.name, base, vlan, ok)
		}
	}
}

func TestOpenRefusesConfig(t *testing.T) {
	if _, err := packet.Open(packet.Config{}); !errors.Is(err, packet.ErrNotFound) {
		t.Errorf("without a name: %v", err)
	}
	if _, err := packet.Open(packet.Config{Interface: "lo", Queues: 257}); err == nil {
		t.Error("257 queues")
	}
}
