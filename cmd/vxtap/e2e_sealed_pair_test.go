//go:build linux

package main

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// sealedLink says what a pair of hosts with a sealed network between them is like.
type sealedLink struct {
	family family
	way    string // of giving keys: "keys", "psk", or "both"
	link   netlab.LinkConfig
	args   []string // of both ends, and more of either
	a, b   []string
}

// sealedPair is one that runs. Nobody on it speaks unless told to.
type sealedPair struct {
	a, b         *netlab.Host
	va, vb       *child
	argsA, argsB []string
}

// Who the two ends of a sealed network are, and the secret that they share.
var (
	sealedA, sealedB = crypto.PrivateKey{0, 1}, crypto.PrivateKey{0, 2}
	sealedPSK        = crypto.PrivateKey{0, 3}.Base64() // 32 bytes like any
)

// sealedArgs are those of an end that has a private key and one peer.
func sealedArgs(t *testing.T, way string, own crypto.PrivateKey, local string, other crypto.PublicKey, remote string) []string {
	t.Helper()
	args := []string{"--sealed", "--vni", "42", "--local", local}
	if way != "psk" {
		args = append(args, "--key", secretFile(t, own.Base64()), "--peer", remote+"="+other.String())
	} else {
		args = append(args, "--remote", remote)
	}
	if way != "keys" {
		args = append(args, "--psk-file", secretFile(t, sealedPSK))
	}
	return args
}

// up starts both ends, and waits until they have a session.
func (l sealedLink) up(t *testing.T) *sealedPair {
	t.Helper()
	a, b := newPair(t, l.link)
	silence(t, a, b)
	p := &sealedPair{a: a, b: b}
	end := func(own, other crypto.PrivateKey, local, remote, inner string, more []string) []string {
		args := sealedArgs(t, l.way, own, local, other.Public(), remote)
		args = append(args, "--address", inner+"/24")
		return append(append(args, l.args...), more...)
	}
	p.argsA = end(sealedA, sealedB, l.family.a, l.family.b, innerA, l.a)
	p.argsB = end(sealedB, sealedA, l.family.b, l.family.a, innerB, l.b)
	p.va, p.vb = startVXTAP(t, a, p.argsA...), startVXTAP(t, b, p.argsB...)
	waitEpoch(t, 1, p.va, p.vb)
	return p
}

// rotate changes the keys so many times, ten times a second at the most: asked for by one
// end, by the other, and by both at once.
func (p *sealedPair) rotate(t *testing.T, times int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range times {
		<-tick.C
		askers := [][]*child{{p.va}, {p.vb}, {p.va, p.vb}}[i%3]
		rotate(t, askers, p.va, p.vb)
	}
}

// rotate asks for new keys at some ends, and waits until both have them. A handshake that
// both ends had begun at once may end after it was asked, and is an answer with no new
// number; so it is asked again.
func rotate(t *testing.T, askers []*child, a, b *child) {
	t.Helper()
	const patience = 100 // looks
	epoch := max(a.peerKeys().Epoch, b.peerKeys().Epoch)
	looks := 0
	eventually(t, "the keys are changed", func() bool {
		if looks%patience == 0 {
			for _, v := range askers {
				if r := vxtap(within(t), v.socket, "keys", "rotate"); r.code != exitDone || r.stdout != "rotating the keys of 1\n" {
					t.Fatalf("keys rotate: %+v", r)
				}
			}
		}
		looks++
		return min(a.peerKeys().Epoch, b.peerKeys().Epoch) > epoch
	})
}

// during keeps traffic up for as long as something else takes.
func during(something func(), traffic ...func(stop <-chan struct{})) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, f := range traffic {
		all.Go(func() { f(stop) })
	}
	defer all.Wait()
	defer close(stop)
	something()
}

// streams carries bytes over one TCP connection after the other, one at least, and compares
// them.
func streams(t *testing.T, from, to *netlab.Host, dst string) func(stop <-chan struct{}) {
	return func(stop <-chan struct{}) {
		for more := true; more; more = running(stop) {
			_, err := netlab.Transfer(within(t), from, to, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Bytes: 2<<20 + 1, Verify: true})
			if err != nil {
				t.Error(err)
				return
			}
		}
	}
}

func running(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// count returns all that vxtap counts of a moment.
func (c *child) count() (s api.Stats) {
	c.t.Helper()
	c.ask(func(ctx context.Context) (err error) {
		s, err = c.api.Stats(ctx)
		return err
	})
	return s
}
