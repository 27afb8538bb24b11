//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Two nodes that do not agree on who they are, or on a secret, have no session: nothing is
// carried, and vxtap keys show says at one end at least why.
func TestSealedStrangers(t *testing.T) {
	t.Parallel()
	other := crypto.PrivateKey{0, 9}
	second := func(way string, own crypto.PrivateKey, peer crypto.PublicKey, more ...string) []string {
		return append(sealedArgs(t, way, own, "10.9.0.2", peer, "10.9.0.1"), more...)
	}
	for name, test := range map[string]struct {
		b        []string // arguments of the second node
		atA, atB string   // what keys show says there
	}{
		"another key": {second("both", other, sealedA.Public()), "stranger ", "bad_mac "},
		// A public key looks like a private one. It is that of a node that nobody knows.
		"a public key for the private one": {second("both", crypto.PrivateKey(sealedB.Public()), sealedA.Public()), "stranger ", "bad_mac "},
		"another key for the peer":         {second("both", sealedB, other.Public()), "bad_mac ", "stranger "},
		"another secret":                   {append(second("keys", sealedB, sealedA.Public()), "--psk-file", secretFile(t, other.Base64())), "bad_handshake ", "bad_handshake "},
		"no secret":                        {second("keys", sealedB, sealedA.Public()), "bad_handshake ", "bad_handshake "},
		"another cipher":                   {second("both", sealedB, sealedA.Public(), "--cipher", "aes-256-gcm"), "bad_handshake ", "bad_handshake "},
		"only the secret":                  {second("psk", sealedB, sealedA.Public()), "bad_mac ", "bad_mac "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			silence(t, a, b)
			va := startVXTAP(t, a, append(sealedArgs(t, "both", sealedA, "10.9.0.1", sealedB.Public(), "10.9.0.2"), "--address", innerA+"/24")...)
			vb := startVXTAP(t, b, append(test.b, "--address", innerB+"/24")...)
			inA, inB := delivered(t, a, "vx42"), delivered(t, b, "vx42")
			// A frame waits for a session, and is given up.
			for _, end := range []struct {
				h *netlab.Host
				v *child
			}{{a, va}, {b, vb}} {
				inject(t, end.h, "vx42", frame(broadcast, speaker, label("to a stranger")))
				eventually(t, "the frame is given up", func() bool { return end.v.drops()["out no_key"] == 1 })
			}
			keysSay(t, va, "no-session", "packets sent 0 received 0", test.atA)
			keysSay(t, vb, "no-session", "packets sent 0 received 0", test.atB)
			if m, n := len(inA.Frames()), len(inB.Frames()); m+n > 0 {
				t.Errorf("%d and %d frames arrived", m, n)
			}
		})
	}
}

// keysSay waits until vxtap keys show has all of these words.
func keysSay(t *testing.T, v *child, words ...string) {
	t.Helper()
	var r result
	defer func() {
		if t.Failed() {
			t.Logf("want %q in\n%s", words, r.stdout)
		}
	}()
	for _, w := range words {
		eventually(t, "keys show says "+w, func() bool {
			r = vxtap(within(t), v.socket, "keys", "show")
			return r.code == exitDone && strings.Contains(r.stdout, w)
		})
	}
}
