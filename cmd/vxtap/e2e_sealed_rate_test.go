//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// lostToKeys are the reasons for which a packet can be lost because keys change.
var lostToKeys = []string{"out no_key", "out key_spent", "stray unknown_session", "stray forged", "stray replayed", "stray sealed_header"}

// Keys are changed ten times a second while small datagrams come at four fifths of the
// highest rate that this machine carries without loss. What is lost is counted where it is
// lost: to keys it is nothing, whatever else a busy machine may lose.
func TestSealedRotationAtFullRate(t *testing.T) {
	p := sealedLink{family: families[0], way: "keys", link: netlab.LinkConfig{Underlay: netlab.Wire}}.up(t)
	client := soakClient(t, p.a, p.b, innerB)
	try := func(rate float64, d time.Duration) (traffic.UDPResult, error) {
		return client.UDP(within(t), traffic.UDPConfig{Sizes: []int{64}, Flows: 1, Rate: rate, Duration: d})
	}
	const trial = 300 * time.Millisecond
	search := traffic.Search{Try: func(rate float64, _ bool) (traffic.UDPResult, error) { return try(rate, trial) }}
	best, err := search.Run()
	check(t, err)
	rate := 0.8 * float64(best.Received) / best.Span.Seconds()

	without, err := try(rate, time.Second)
	check(t, err)
	epoch := p.va.peerKeys().Epoch
	var with traffic.UDPResult
	done := make(chan struct{})
	go func() {
		defer close(done)
		with, err = try(rate, time.Second)
	}()
	rotations := 0
	for running(done) {
		p.rotate(t, 1)
		rotations++
	}
	check(t, err)
	t.Logf("%.0f datagrams a second: %.4f %% lost without rotation, %.4f %% with %d", rate, 100*without.Loss(), 100*with.Loss(), rotations)
	if now := p.va.peerKeys().Epoch; now < epoch+uint64(rotations) {
		t.Errorf("epoch %d after %d rotations from %d", now, rotations, epoch)
	}
	for _, v := range []*child{p.va, p.vb} {
		drops := v.drops()
		for _, why := range lostToKeys {
			if drops[why] > v.early[why] {
				t.Errorf("%d packets lost: %s", drops[why], why)
			}
		}
	}
}
