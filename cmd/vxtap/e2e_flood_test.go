//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// vteps are hosts on one segment with a vxtap each, every one a remote of the others.
type vteps struct {
	hosts  []*netlab.Host
	agents []*child
	inside []*netlab.Capture // what the hosts receive from the overlay
}

// startVTEPs makes n hosts, which say nothing in the overlay unless they are told to.
func startVTEPs(t *testing.T, n int, args ...string) *vteps {
	t.Helper()
	v := &vteps{hosts: newSegment(t, n)}
	silence(t, v.hosts...)
	for i, h := range v.hosts {
		up := append([]string{"--vni", "42", "--local", underlayAddr(i), "--address", fmt.Sprintf("192.168.77.%d/24", i+1)}, args...)
		for j := range v.hosts {
			if j != i {
				up = append(up, "--remote", underlayAddr(j))
			}
		}
		v.agents = append(v.agents, startVXTAP(t, h, up...))
		v.inside = append(v.inside, delivered(t, h, "vx42"))
	}
	// While a host asks for the MAC of another in the underlay, packets overtake each
	// other.
	for i := range v.hosts {
		v.fence(t, i, fmt.Sprint("first ", i))
	}
	return v
}

// underlayAddr is the address of the host with this index.
func underlayAddr(i int) string { return fmt.Sprintf("10.9.0.%d", i+1) }

// fence sends a broadcast from one host and waits until it is everywhere, and with it
// all that was sent before. It returns what the broadcast carries.
func (v *vteps) fence(t *testing.T, from int, name string) []byte {
	t.Helper()
	payload := label("fence " + name)
	inject(t, v.hosts[from], "vx42", frame(broadcast, encap.MAC{2, 0xfe, 0, 0, 0, byte(from)}, payload))
	for i := range v.hosts {
		if i != from {
			waitFor(t, v.inside[i], payload)
		}
	}
	return payload
}

func TestBroadcastReachesEachOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n, " hosts"), func(t *testing.T) {
			t.Parallel()
			v := startVTEPs(t, n)
			ping(t, v.hosts[0], fmt.Sprintf("192.168.77.%d", n))
			var sent [][]byte
			for from := range v.hosts {
				src := encap.MAC{2, 0, 0, 0, 0, byte(from)}
				for name, dst := range map[string]encap.MAC{
					"broadcast": broadcast, "multicast": {1, 0, 0x5e, 0, 0, 1}, "unknown": {2, 0xaa, 0, 0, 0, byte(from)},
				} {
					for i := range 5 {
						payload := label(fmt.Sprint(name, " ", from, " ", i))
						inject(t, v.hosts[from], "vx42", frame(dst, src, payload))
						sent = append(sent, payload)
					}
				}
			}
			for from := range v.hosts {
				v.fence(t, from, fmt.Sprint(from))
			}
			perHost := len(sent) / n
			for i, inside := range v.inside {
				for k, payload := range sent {
					want := 1
					if k/perHost == i {
						want = 0 // its own
					}
					if got := countOf(inside, payload); got != want {
						t.Errorf("host %d received %q %d times, not %d", i, payload[46:], got, want)
					}
				}
			}
		})
	}
}

var (
	speaker = encap.MAC{2, 0, 0, 0, 0, 0x77} // a MAC behind some host
	asker   = encap.MAC{2, 0, 0, 0, 0, 0x01} // behind the first host
)

// speak sends a broadcast from the speaker.
func (v *vteps) speak(t *testing.T, from int) {
	t.Helper()
	inject(t, v.hosts[from], "vx42", frame(broadcast, speaker, label("here I am")))
}

// reaches sends a frame from the first host to the speaker, and expects it once on the
// wire and inside for these hosts, and for no other.
func (v *vteps) reaches(t *testing.T, sent *netlab.Capture, text string, want ...int) {
	t.Helper()
	payload := label(text)
	inject(t, v.hosts[0], "vx42", frame(speaker, asker, payload))
	carrying(t, sent, v.fence(t, 0, text), len(v.hosts)-1)
	var dsts []netip.Addr
	for _, o := range carrying(t, sent, payload, 0) {
		dsts = append(dsts, o.dst)
	}
	if len(dsts) != len(want) {
		t.Errorf("%s: sent to %v, not to the hosts %v", text, dsts, want)
	}
	for i, inside := range v.inside {
		n := 0
		if slices.Contains(want, i) {
			n = 1
		}
		if got := countOf(inside, payload); got != n {
			t.Errorf("%s: host %d received it %d times, not %d", text, i, got, n)
		}
	}
}

func TestLearnedMACIsFollowed(t *testing.T) {
	t.Parallel()
	v := startVTEPs(t, 3)
	sent := wire(t, v.hosts[0])
	v.reaches(t, sent, "unknown", 1, 2)
	v.speak(t, 1)
	v.agents[0].waitLearned(speaker, underlayAddr(1))
	v.reaches(t, sent, "learned", 1)
	v.speak(t, 2)
	v.agents[0].waitLearned(speaker, underlayAddr(2))
	v.reaches(t, sent, "moved", 2)
}

func TestLearnedMACIsForgotten(t *testing.T) {
	t.Parallel()
	v := startVTEPs(t, 3, "--ageing", "1s")
	sent := wire(t, v.hosts[0])
	eventually(t, "the MAC is learned", func() bool {
		v.speak(t, 1) // again, lest it be forgotten before we look
		_, known := v.agents[0].entry(speaker)
		return known
	})
	for _, agent := range v.agents {
		eventually(t, "the MAC is forgotten", func() bool {
			_, known := agent.entry(speaker)
			return !known
		})
	}
	v.reaches(t, sent, "forgotten", 1, 2)
}
