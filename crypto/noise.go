package crypto

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// Noise_IKpsk2_25519_AESGCM_SHA256 (the Noise specification, revision 34, sections 7.5
// and 9): the initiator knows the responder's static key and sends its own encrypted; the
// pre-shared key, 32 zero bytes where there is none, is mixed in at the end of the second
// message.
var noiseSuite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)

const (
	noisePSKPlacement = 2
	prologue          = "vxtap sealed v1"
)

var errLowOrder = errors.New("ephemeral key of low order")

// secrets is what a handshake ends in, from one side's view: HKDF makes the transport
// keys of it.
type secrets struct {
	send, receive [32]byte // Split of the specification, section 5.2
	hash          [sha256.Size]byte
}

func (s *secrets) wipe() { *s = secrets{} }

func noiseConfig(identity noise.DHKey, suite Suite, random io.Reader) noise.Config {
	return noise.Config{
		CipherSuite:           noiseSuite,
		Random:                random,
		Pattern:               noise.HandshakeIK,
		Prologue:              append([]byte(prologue), byte(suite)),
		PresharedKeyPlacement: noisePSKPlacement,
		StaticKeypair:         identity,
	}
}

// initiate begins a handshake and appends the first Noise message to dst.
func initiate(c noise.Config, peer PublicKey, psk PSK, dst, payload []byte) (*noise.HandshakeState, []byte, error) {
	c.Initiator, c.PeerStatic, c.PresharedKey = true, peer[:], psk[:]
	hs, err := noise.NewHandshakeState(c)
	if err != nil {
		return nil, nil, fmt.Errorf("begin a handshake with %v: %w", peer, err)
	}
	dst, _, _, err = hs.WriteMessage(dst, payload)
	return hs, dst, err
}

// complete reads the second Noise message. After an error hs is as before, and may be
// asked again: a forged response ends no handshake. The library rolls back when
// decryption fails, but not when the agreed secret is zero, so such points are refused
// before it sees them.
func complete(hs *noise.HandshakeState, message []byte) (payload []byte, s secrets, err error) {
	if lowOrder([32]byte(message[:pointSize])) {
		return nil, s, errLowOrder
	}
	payload, out, in, err := hs.ReadMessage(nil, message)
	if err != nil {
		return nil, s, err
	}
	s = split(hs, out, in)
	return payload, s, nil
}

// accept reads the first Noise message, of a peer that is not known yet.
func accept(c noise.Config, message []byte) (hs *noise.HandshakeState, peer PublicKey, payload []byte, err error) {
	hs, err = noise.NewHandshakeState(c)
	if err != nil {
		return nil, peer, nil, err
	}
	payload, _, _, err = hs.ReadMessage(nil, message)
	if err != nil {
		return nil, peer, nil, err
	}
	return hs, PublicKey(hs.PeerStatic()), payload, nil
}

// answer appends the second Noise message to dst.
func answer(hs *noise.HandshakeState, psk PSK, dst, payload []byte) (_ []byte, s secrets, err error) {
	if err = hs.SetPresharedKey(psk[:]); err != nil {
		return nil, s, err
	}
	dst, in, out, err := hs.WriteMessage(dst, payload)
	if err != nil {
		return nil, s, err
	}
	return dst, split(hs, out, in), nil
}

// split takes the keys out of the library's states, and overwrites them there: Rekey
// (section 4.2) is one-way, and the only hand one has on them. The ephemeral private key
// goes the same way.
func split(hs *noise.HandshakeState, out, in *noise.CipherState) secrets {
	s := secrets{send: out.UnsafeKey(), receive: in.UnsafeKey(), hash: [sha256.Size]byte(hs.ChannelBinding())}
	out.Rekey()
	in.Rekey()
	forget(hs)
	return s
}

// forget wipes the ephemeral private key of a handshake that is over.
func forget(hs *noise.HandshakeState) { clear(hs.LocalEphemeral().Private) }
