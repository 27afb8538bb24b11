package dataplane_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// sender notes what was sent, and that to a group is lost.
type sender struct {
	*mem.Underlay
	mu   sync.Mutex
	sent []encap.Datagram // without their bytes
}

func (s *sender) Send(dgrams []encap.Datagram) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range dgrams {
		d := dgrams[i]
		d.Data, d.More = nil, nil
		s.sent = append(s.sent, d)
		if !d.Remote.Addr().IsMulticast() {
			if n, err := s.Underlay.Send(dgrams[i : i+1]); err != nil {
				return i + n, err
			}
		}
	}
	return len(dgrams), nil
}

// take returns what was sent since the last call.
func (s *sender) take() []encap.Datagram {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.sent = nil }()
	return s.sent
}

func newSender(t *testing.T, wire *mem.Network, cfg networkConfig) (*node, *sender) {
	var s *sender
	a := newNode(t, wire, "10.9.0.1", setup{network: cfg, wrap: func(u dataplane.Underlay) dataplane.Underlay {
		s = &sender{Underlay: u.(*mem.Underlay)}
		return s
	}})
	return a, s
}

// BUM goes to the group once, by its interface; a MAC that was learned goes to its VTEP.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		released := 0
		a, sent := newSender(t, wire, networkConfig{
			Group: netip.MustParseAddr("239.1.1.1"), GroupInterface: 7,
			Release: func() error { released++; return nil },
		})
		other := newStranger(t, wire, "10.9.0.2")
		expect := func(remotes ...string) {
			t.Helper()
			list := sent.take()
			if len(list) != len(remotes) {
				t.Fatalf("sent %+v, want it to %v", list, remotes)
			}
			for i, d := range list {
				device := uint32(0)
				if d.Remote.Addr().IsMulticast() {
					device = 7
				}
				if d.Remote.String() != remotes[i] || d.Interface != device || d.NoChecksum {
					t.Errorf("sent %+v, want it to %v", d, remotes[i])
				}
			}
		}
		a.port.send(t, toAll(a.mac), etherFrame(station(9), a.mac, "unknown"))
		expect("239.1.1.1:4789", "239.1.1.1:4789")
		other.say(t, a, encap.Datagram{Data: vxlan(toAll(station(9)))})
		a.port.send(t, etherFrame(station(9), a.mac, "learned"))
		expect("10.9.0.2:4789")
		must(t, a.network.SetRemote(netAddr("10.9.0.2")))
		a.port.send(t, toAll(a.mac))
		expect("239.1.1.1:4789", "10.9.0.2:4789")
		if err := a.network.RemoveRemote(netAddr("239.1.1.1")); !errors.Is(err, dataplane.ErrNotFound) {
			t.Errorf("the group was taken off: %v", err)
		}
		a.conserved(t)
		must(t, a.vtep.RemoveNetwork(testVNI))
		if released != 1 {
			t.Errorf("released %d times", released)
		}
	})
}

// What the VTEP said itself is no news, by whatever way it comes.
func TestOwnDatagramsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		other := a.underlays[0] // sends from the VTEP's own address
		f := toAll(station(9))
		if _, err := other.Send([]encap.Datagram{{Data: vxlan(f), Remote: a.addr, Source: encap.SourceListen}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.port.expect(t)
		if in := a.network.Stats().In; in.Drops[dataplane.DropLoop] != 1 || in.Frames != 1 {
			t.Errorf("counted %+v", in)
		}
	})
}

func TestBadGroups(t *testing.T) {
	for text, c := range map[string]networkConfig{
		"no multicast address":       {Group: netip.MustParseAddr("10.9.0.9")},
		"different address families": {Group: netip.MustParseAddr("ff05::1")},
		"closed and has a group":     {Group: netip.MustParseAddr("239.1.1.1"), Closed: true},
	} {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		released := false
		c.VNI, c.Release = testVNI+1, func() error { released = true; return nil }
		if _, err := a.vtep.AddNetwork(c); err == nil || !strings.Contains(err.Error(), text) || !released {
			t.Errorf("%s: %v, released: %t", text, err, released)
		}
	}
}

// Without checksums there are no trains, for the whole network or for single remotes.
func TestNoChecksums(t *testing.T) {
	for name, c := range map[string]struct {
		network networkConfig
		bare    string // the remotes without checksums
	}{
		"all":     {networkConfig{NoChecksum: true}, "10.9.0.2 10.9.0.3"},
		"one":     {networkConfig{ChecksumTo: map[netip.Addr]bool{netip.MustParseAddr("10.9.0.2"): false}}, "10.9.0.2"},
		"all but": {networkConfig{NoChecksum: true, ChecksumTo: map[netip.Addr]bool{netip.MustParseAddr("10.9.0.2"): true}}, "10.9.0.3"},
		"none":    {networkConfig{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newWire()
				newStranger(t, wire, "10.9.0.2")
				newStranger(t, wire, "10.9.0.3")
				c.network.Remotes = flooding("10.9.0.2", "10.9.0.3").Remotes
				a, sent := newSender(t, wire, c.network)
				frame, o := flowOf(a.mac, encap.Broadcast, false).superframe(t, pattern(10*mss))
				a.port.inject(t, frame, o)
				synctest.Wait()
				count := map[bool]int{}
				for _, d := range sent.take() {
					bare := strings.Contains(c.bare, d.Remote.Addr().String())
					if d.NoChecksum != bare || bare && d.SegmentSize != 0 {
						t.Errorf("sent %+v", d)
					}
					count[bare]++
				}
				bare := len(strings.Fields(c.bare))
				if count[true] != 10*bare || count[false] != 2-bare {
					t.Errorf("%d datagrams without checksums, %d trains", count[true], count[false])
				}
			})
		})
	}
}
