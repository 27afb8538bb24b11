//go:build linux && interop

package main

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// masquerade gives whatever leaves by eth1 the router's address, and UDP a port that is
// never the sender's.
const masquerade = `table ip nat {
	chain leaving {
		type nat hook postrouting priority 100; policy accept;
		oifname "eth1" meta l4proto udp masquerade to :20000-60000 random
	}
}
`

// natted is a sealed network between host a, which is behind a NAT, and host b, which is
// not.
type natted struct {
	t            *testing.T
	a, b, router *netlab.Host
	va, vb       *child
	argsA        []string
}

// newNAT makes it. The second node knows the first by an address at which it cannot be
// reached unless it was heard before.
func newNAT(t *testing.T, addressOfA string) *natted {
	t.Helper()
	lab := newLab(t)
	n := &natted{t: t, a: newHost(t, lab, "a"), b: newHost(t, lab, "b"), router: newHost(t, lab, "router")}
	silence(t, n.a, n.b)
	check(t, lab.Link(n.a, "eth0", n.router, "eth0", netlab.LinkConfig{A: prefixes("10.1.0.2/24"), B: prefixes("10.1.0.1/24")}))
	check(t, lab.Link(n.b, "eth0", n.router, "eth1", netlab.LinkConfig{A: prefixes("10.9.0.2/24"), B: prefixes("10.9.0.1/24")}))
	check(t, n.a.Netlink().RouteAdd(&netlink.Route{Gw: net.IPv4(10, 1, 0, 1)}))
	n.translate()
	n.argsA = append(sealedArgs(t, "both", sealedA, "10.1.0.2", sealedB.Public(), "10.9.0.2"),
		"--address", innerA+"/24", "--nat", "--keepalive", "1s")
	n.va = startVXTAP(t, n.a, n.argsA...)
	n.vb = startVXTAP(t, n.b, append(sealedArgs(t, "both", sealedB, "10.9.0.2", sealedA.Public(), addressOfA), "--address", innerB+"/24")...)
	waitEpoch(t, 1, n.va, n.vb)
	return n
}

// translate makes the router one, and has it forget soon.
func (n *natted) translate() {
	n.t.Helper()
	load := exec.CommandContext(within(n.t), "nft", "-f", "-")
	load.Stdin = strings.NewReader(masquerade)
	var stderr strings.Builder
	load.Stderr = &stderr
	check(n.t, n.router.Start(load))
	if err := load.Wait(); err != nil {
		n.t.Fatalf("nft: %v: %s", err, &stderr)
	}
	check(n.t, n.router.Do(func() error {
		for path, value := range map[string]string{
			"netfilter/nf_conntrack_udp_timeout": "2", "netfilter/nf_conntrack_udp_timeout_stream": "2", "ipv4/ip_forward": "1",
		} {
			if err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	}))
}

// forget has the router forget who is behind it.
func (n *natted) forget() {
	n.t.Helper()
	check(n.t, n.router.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) }))
}

// seenAt is where the second node sees the first.
func (n *natted) seenAt() netip.AddrPort {
	n.t.Helper()
	return n.vb.peerKeys().Endpoint
}

// speak sends a ping from a host until one is answered.
func (n *natted) speak(from *netlab.Host, dst, when string) {
	n.t.Helper()
	eventually(n.t, "a ping from host "+from.Name()+" is answered "+when, func() bool {
		rtts, _ := from.Ping(within(n.t), ip(dst), 1, 56)
		return len(rtts) == 1
	})
}

// idle waits until nothing but keepalives were sent for longer than the router remembers.
func (n *natted) idle() {
	n.t.Helper()
	before := n.vb.peerKeys().Received
	eventually(n.t, "keepalives arrive", func() bool { return n.vb.peerKeys().Received >= before+4 })
}

// A node behind a NAT is reached from outside for as long as it runs: also when nobody has
// said anything for longer than the NAT remembers, and when it has forgotten.
func TestSealedNAT(t *testing.T) {
	t.Parallel()
	for _, known := range []string{"10.1.0.2", "10.9.0.1"} { // by its own address, by the router's
		t.Run("known as "+known, func(t *testing.T) {
			t.Parallel()
			n := newNAT(t, known)
			ping(t, n.b, innerA) // the session is there, so the way is
			ping(t, n.a, innerB)
			check(t, transferTo(within(t), n.a, n.b, innerB))
			check(t, transferTo(within(t), n.b, n.a, innerA))
			if at := n.seenAt(); at.Addr() != ip("10.9.0.1") || at.Port() < 20000 {
				t.Errorf("the node behind NAT is seen at %v", at)
			}
			keysSay(t, n.va, "behind-nat", "secure at 10.9.0.2:4789 across-nat\n")
			keysSay(t, n.vb, "secure at 10.9.0.1:", " across-nat\n")

			n.idle()
			n.speak(n.b, innerA, "after a while")
			n.speak(n.a, innerB, "after a while")

			epoch := n.vb.peerKeys().Epoch
			for _, first := range []*netlab.Host{n.a, n.b} {
				before := n.seenAt()
				n.forget()
				if first == n.a { // data moves it, or else a keepalive does
					n.speak(n.a, innerB, "after the NAT has forgotten")
				}
				eventually(t, "the node behind NAT is seen elsewhere", func() bool { return n.seenAt() != before })
				n.speak(n.b, innerA, "after the NAT has forgotten")
				n.speak(n.a, innerB, "after the NAT has forgotten")
			}
			if now := n.vb.peerKeys().Epoch; now != epoch {
				t.Errorf("it took new keys: epoch %d, then %d", epoch, now)
			}
			n.va.kill()
			n.va = startVXTAP(t, n.a, n.argsA...)
			n.speak(n.b, innerA, "after a restart behind the NAT")
			n.speak(n.a, innerB, "after a restart behind the NAT")
		})
	}
}
