//go:build linux

package main

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// A vxtap up has one network. Several on a node are an agent's, here one in the process of
// the test, with the sockets and devices of a host.

// node is one that knows all of a segment's nodes, by their keys.
type node struct {
	t     *testing.T
	host  *netlab.Host
	agent *control.Agent
}

// identity is the key of the node on the host with this index.
func identity(i int) crypto.PrivateKey { return crypto.PrivateKey{0, byte(i + 1)} }

// newNodes makes n hosts on one segment, and a node on each.
func newNodes(t *testing.T, n int) []*node {
	t.Helper()
	hosts := newSegment(t, n)
	silence(t, hosts...)
	nodes := make([]*node, n)
	for i, h := range hosts {
		nodes[i] = &node{t: t, host: h}
		nodes[i].open(i, n)
	}
	return nodes
}

func (n *node) open(index, all int) {
	n.t.Helper()
	cfg := control.AgentConfig{Node: control.NodeSpec{Local: ip(underlayAddr(index))}, Drivers: drivers()}
	cfg.Node.Seal.KeyFile = secretFile(n.t, identity(index).Base64())
	for i := range all {
		if i != index {
			peer := control.PeerKey{VTEP: netip.AddrPortFrom(ip(underlayAddr(i)), 0), Public: identity(i).Public()}
			cfg.Node.Seal.Peers = append(cfg.Node.Seal.Peers, peer)
		}
	}
	var err error
	cfg.Keys, err = keys.Load(cfg.Node)
	check(n.t, err)
	check(n.t, n.host.Do(func() (err error) {
		n.agent, err = control.Open(cfg)
		return err
	}))
	n.t.Cleanup(func() {
		if err := n.agent.Close(); err != nil {
			n.t.Error(err)
		}
	})
}

// add gives the node a network with the nodes that have these indices. What its host
// receives from it is recorded.
func (n *node) add(vni encap.VNI, sealed bool, address string, remotes ...int) *netlab.Capture {
	n.t.Helper()
	spec := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: vni, Sealed: sealed}}
	spec.Port.Addresses = prefixes(address)
	for _, r := range remotes {
		spec.Remotes = append(spec.Remotes, netip.AddrPortFrom(ip(underlayAddr(r)), 0))
	}
	check(n.t, n.host.Do(func() error { return n.agent.AddNetwork(spec) }))
	return delivered(n.t, n.host, n.agent.Node().Networks[len(n.agent.Node().Networks)-1].Ports[0].Name)
}

// secure waits until the node has a session with so many.
func (n *node) secure(peers int) {
	n.t.Helper()
	eventually(n.t, "there are sessions", func() bool {
		secure := 0
		for _, p := range n.agent.Keys().Peers {
			if p.State == "secure" {
				secure++
			}
		}
		return secure == peers
	})
}

// in is what the node counts of a network from the underlay.
func (n *node) in(vni encap.VNI) api.Direction {
	n.t.Helper()
	for _, s := range n.agent.Stats().Networks {
		if s.VNI == vni {
			return s.In
		}
	}
	n.t.Fatalf("no network %d", vni)
	return api.Direction{}
}

// say sends a broadcast into a network of the node.
func (n *node) say(device, text string) (payload []byte) {
	n.t.Helper()
	payload = label(text)
	inject(n.t, n.host, device, frame(broadcast, speaker, payload))
	return payload
}

// dropped waits until the node has dropped one frame of a network for a reason.
func (n *node) dropped(vni encap.VNI, why string) {
	n.t.Helper()
	eventually(n.t, "a frame is dropped as "+why, func() bool { return n.in(vni).Drops[why] == 1 })
}

// A plain network and a sealed one stand beside each other on two nodes, on one port, and
// keys are changed in between.
func TestPlainBesideSealed(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 2)
	a, b := nodes[0], nodes[1]
	check(t, a.host.SetUnderlay("eth0", netlab.Bare))
	left := capture(t, a.host, "eth0", func(f netlab.Frame) bool { return f.Outgoing && isPlain(f) })
	for i, n := range nodes {
		for vni, sealed := range map[encap.VNI]bool{42: true, 43: false} {
			prefix := map[encap.VNI][]string{42: {innerA + "/24", innerB + "/24"}, 43: {"192.168.78.1/24", "192.168.78.2/24"}}[vni][i]
			n.add(vni, sealed, prefix, 1-i)
		}
	}
	for _, n := range nodes {
		n.secure(1)
	}
	results := make(chan error, 4)
	for _, dst := range []string{innerB, "192.168.78.2"} {
		go func() { results <- transferTo(within(t), a.host, b.host, dst) }()
	}
	for _, dst := range []string{innerA, "192.168.78.1"} {
		go func() { results <- transferTo(within(t), b.host, a.host, dst) }()
	}
	epoch := a.agent.Keys().Peers[0].Epoch
	_, err := b.agent.RotateKeys(api.KeysRotate{})
	check(t, err)
	for range cap(results) {
		check(t, <-results)
	}
	eventually(t, "the keys are changed", func() bool { return a.agent.Keys().Peers[0].Epoch > epoch })
	check(t, left.Close())
	if len(left.Frames()) == 0 {
		t.Error("of the plain network nothing left in clear")
	}
	for _, f := range left.Frames() {
		if o, _ := decodeOuter(f); o.vni != 43 {
			t.Fatalf("of network %d left in clear: %x", o.vni, f.Data)
		}
	}
}

// A node that is a peer puts frames into none but the networks that it is a member of,
// sealed into no plain network, and plain into no sealed one. What it may do goes on.
func TestSealedNotMember(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 3)
	a, c := nodes[0], nodes[2]
	// Node c believes that it is in all networks of a, and that 44 is sealed and 45 plain.
	inside := map[encap.VNI]*netlab.Capture{
		42: a.add(42, true, "192.168.42.1/24", 1),
		43: a.add(43, true, "192.168.43.1/24", 1, 2),
		44: a.add(44, false, "192.168.44.1/24", 2),
		45: a.add(45, true, "192.168.45.1/24", 2),
	}
	for vni, sealed := range map[encap.VNI]bool{42: true, 43: true, 44: true, 45: false} {
		c.add(vni, sealed, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(vni), 3}), 24).String(), 0)
	}
	nodes[1].add(42, true, "192.168.42.2/24", 0)
	a.secure(2)
	c.secure(1)

	c.say("vx42", "from no member")
	a.dropped(42, "not_member")
	c.say("vx44", "sealed")
	a.dropped(44, "sealed_for_plain")
	c.say("vx45", "in clear")
	a.dropped(45, "clear_text")
	a.say("vx45", "sealed")
	c.dropped(45, "sealed_for_plain")
	a.say("vx44", "in clear")
	c.dropped(44, "clear_text")

	waitFor(t, inside[43], c.say("vx43", "from a member"))
	nodes[1].secure(1)
	waitFor(t, inside[42], nodes[1].say("vx42", "from a member"))
	for vni, want := range map[encap.VNI]int{42: 1, 43: 1, 44: 0, 45: 0} {
		if got := len(inside[vni].Frames()); got != want {
			t.Errorf("in network %d, %d frames arrived, want %d", vni, got, want)
		}
	}
}
