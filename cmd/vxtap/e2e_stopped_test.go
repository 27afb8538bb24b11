//go:build linux

package main

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// pause stops vxtap, as SIGSTOP does, until meanwhile has returned.
func (c *child) pause(meanwhile func()) {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
	defer c.signal(syscall.SIGCONT)
	c.waitState('T')
	meanwhile()
}

// learned returns the entry of a MAC that was learned in a network.
func (c *child) learned(vni encap.VNI, mac encap.MAC) (entry api.FDBEntry, found bool) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		list, err := c.api.FDB(ctx, vni)
		for _, e := range list {
			if e.MAC == mac && e.Class == api.ClassLearned {
				entry, found = e, true
			}
		}
		return err
	})
	return entry, found
}

// counters returns those of one network of several.
func (c *child) counters(vni encap.VNI) (n api.NetworkStats) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		s, err := c.api.Stats(ctx)
		for _, of := range s.Networks {
			if of.VNI == vni {
				n = of
			}
		}
		return err
	})
	return n
}

// A vxtap that was stopped for so long that its peer has forgotten who is behind it goes on
// as if nothing had been: traffic flows, plain and sealed; what nobody could see makes no
// entry older; and what the device could not hold meanwhile is counted.
func TestStoppedAndOn(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	secret := secretFile(t, crypto.PrivateKey{0, 1}.Base64())
	node := func(h *netlab.Host, own, other int, ageing string) *child {
		return startRun(t, h, newConfigFile(t, fmt.Sprintf(`local: 10.9.0.%d
psk-file: %s
networks:
- {vni: 42, remote: 10.9.0.%d, address: 192.168.42.%[1]d/24, ageing: %[4]s}
- {vni: 43, remote: 10.9.0.%[3]d, address: 192.168.43.%[1]d/24, sealed: true}
`, own, secret, other, ageing)))
	}
	const forgotten = 6 * time.Second
	va, vb := node(a, 1, 2, "300s"), node(b, 2, 1, forgotten.String())
	macA, macB := encap.MAC(hardwareAddr(t, a, "vx42")), encap.MAC(hardwareAddr(t, b, "vx42"))
	ping(t, a, "192.168.42.2")
	ping(t, a, "192.168.43.2")
	eventually(t, "each knows the other's MAC", func() bool {
		_, atA := va.learned(42, macB)
		_, atB := vb.learned(42, macA)
		return atA && atB
	})
	ping(t, a, "192.168.42.2") // seen again

	out, in := udpFlow(t, a, b, "192.168.42.2")
	defer out.Close()
	defer in.Close()
	before, _ := va.learned(42, macB)
	asked, sent := time.Now(), va.counters(42)
	var stopped, resumed time.Time
	const flood = 20000 // more than the device's ring holds
	va.pause(func() {
		stopped = time.Now()
		for range flood {
			_, err := out.Write(make([]byte, 10))
			check(t, err)
		}
		eventually(t, "the peer has forgotten", func() bool {
			_, found := vb.learned(42, macA)
			return !found
		})
		resumed = time.Now()
	})
	after, found := va.learned(42, macB)
	awake := stopped.Sub(asked) + time.Since(resumed)
	if grown := time.Duration(after.AgeSeconds-before.AgeSeconds) * time.Second; !found || grown > awake+3*time.Second {
		t.Errorf("the entry (%v) has grown older by %v in the %v of %v that vxtap ran", found, grown, awake, awake+resumed.Sub(stopped))
	}
	eventually(t, "all frames are accounted for", func() bool {
		now := va.counters(42)
		return now.Out.Frames-sent.Out.Frames+now.PortDrops["vx42"]-sent.PortDrops["vx42"] >= flood
	})
	if now := va.counters(42); now.PortDrops["vx42"] == sent.PortDrops["vx42"] {
		t.Error("the device held all: this test is to send more")
	}
	ping(t, a, "192.168.42.2")
	ping(t, a, "192.168.43.2")
}
