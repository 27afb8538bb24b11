//go:build linux

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// forger floods a VTEP with messages of handshakes, and counts what comes back.
type forger struct {
	*foreigner
	message []byte
	genuine bool // made by somebody who knows the VTEP's public key

	sent, answers, answered atomic.Uint64 // datagrams, those that came back, and their bytes
}

// newInitiation makes a handshake message of a node that is no peer, but knows the public
// key of the node that it is for.
func newInitiation(t *testing.T, public crypto.PublicKey) []byte {
	t.Helper()
	n, err := crypto.NewNode(crypto.Config{Identity: crypto.PrivateKey{0, 9}, Queues: 1, Local: netip.MustParseAddrPort("10.9.0.3:4789")})
	check(t, err)
	defer n.Close()
	_, err = n.AddPeer(crypto.PeerConfig{Public: public, VTEP: netip.MustParseAddrPort("10.9.0.1:4789")})
	check(t, err)
	messages, _ := n.Poll(nil)
	if len(messages) != 1 || messages[0].Data[0] != crypto.TypeInitiation {
		t.Fatalf("a node begins with %d messages", len(messages))
	}
	return messages[0].Data
}

// run floods, with a breath between bursts, until it is told to stop.
func (f *forger) run(stop <-chan struct{}) {
	const burst = 50
	breath := time.NewTicker(2 * time.Millisecond)
	defer breath.Stop()
	message := bytes.Clone(f.message)
	for ; running(stop); <-breath.C {
		for range burst {
			if !f.genuine {
				_, _ = rand.Read(message[4:])
			}
			if _, err := f.conn.Write(message); err != nil {
				f.t.Errorf("flood: %v", err)
				return
			}
			f.sent.Add(1)
		}
	}
}

func (f *forger) listen() {
	buf := make([]byte, 2000)
	for {
		n, err := f.conn.Read(buf)
		if err != nil {
			return // closed at the end
		}
		f.answers.Add(1)
		f.answered.Add(uint64(n))
	}
}

// Forged handshakes by the ten thousand, while keys are changed in a loop, break no
// connection, take no memory, and are answered with less than they brought.
func TestSealedFlood(t *testing.T) {
	t.Parallel()
	hosts, va, vb := newSealedSegment(t, 3)
	p := &sealedPair{a: hosts[0], b: hosts[1], va: va, vb: vb}
	initiation := newInitiation(t, sealedA.Public())
	flow := newFlow(t, p.b, p.a, innerA)
	noise := &forger{foreigner: newForeigner(t, hosts[2], "10.9.0.1"), message: initiation}
	knowing := &forger{foreigner: newForeigner(t, hosts[2], "10.9.0.1"), message: initiation, genuine: true}
	go noise.listen()
	go knowing.listen()
	flood := func(until uint64) {
		during(func() {
			p.ask(t, 10)
			eventually(t, fmt.Sprintf("%d are sent", until), func() bool {
				return t.Failed() || noise.sent.Load() >= until && knowing.sent.Load() >= until
			})
		}, noise.run, knowing.run, streams(t, p.a, p.b, innerB))
	}
	flood(5_000)
	before, epoch := residentMemory(t, va), va.peerKeys().Epoch
	flood(20_000)
	if grown := residentMemory(t, va) - before; grown > 8<<20 {
		t.Errorf("%d MB grew by %d", before>>20, grown>>20)
	}
	// Whatever became of handshakes meanwhile, there are new ones now.
	during(func() { p.rotate(t, 5) }, flow.run)
	waitEpoch(t, epoch+5, va, vb)

	if n := noise.answers.Load(); n > 0 {
		t.Errorf("%d datagrams of noise are answered", n)
	}
	sent := knowing.sent.Load() * uint64(len(initiation))
	if n := knowing.answered.Load(); n >= sent {
		t.Errorf("%d bytes are answered with %d", sent, n)
	}
	keysSay(t, va, "bad_mac ", "stranger ")
	for _, v := range []*child{va, vb} {
		if k := v.peerKeys(); k.State != "secure" {
			t.Errorf("peer %+v", k)
		}
		nothingLost(t, v)
	}
	noChecksumErrors(t, p.a, p.b)
}

// ask asks for new keys so many times, ten times a second, and does not wait for them.
func (p *sealedPair) ask(t *testing.T, times int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range times {
		<-tick.C
		v := []*child{p.va, p.vb}[i%2]
		if r := vxtap(within(t), v.socket, "keys", "rotate"); r.code != exitDone {
			t.Fatalf("keys rotate: %+v", r)
		}
	}
}

// residentMemory is what a vxtap has of its own in memory, in bytes.
func residentMemory(t *testing.T, v *child) (bytes int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	check(t, err)
	_, line, found := strings.Cut(string(text), "RssAnon:")
	if _, err := fmt.Sscan(line, &bytes); !found || err != nil {
		t.Fatalf("no RssAnon in %s", text)
	}
	return bytes << 10
}
