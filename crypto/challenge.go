package crypto

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// A peer whose clock went back makes initiations that look like replays. It is told a
// challenge then, and one that carries the right challenge is taken whatever its time.
// Nothing is kept for that: a challenge is a MAC over the peer and the number of its
// initiations that were taken, so that each that is taken makes it stale.

// How often one peer is challenged.
const (
	challengesPerSecond = 10
	challengesAtOnce    = 20
)

// newChallenger makes the secret that challenges are made with, for as long as the node
// lives.
func newChallenger(random io.Reader) (*mac, error) {
	var secret [sha256.Size]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return nil, fmt.Errorf("secret of challenges: %w", err)
	}
	return newMAC(secret[:]), nil
}

func challengeOf(m *mac, peer PublicKey, taken uint64) [macSize]byte {
	return m.of(peer[:], binary.BigEndian.AppendUint64(nil, taken))
}

// challengeHolds compares in constant time.
func challengeHolds(m *mac, peer PublicKey, taken uint64, got [macSize]byte) bool {
	want := challengeOf(m, peer, taken)
	return hmac.Equal(got[:], want[:])
}

// challengeCiphers encrypt the challenges between two nodes, those that this node gives
// and those that it is given: keys from what only the two can agree on (HKDF-SHA256 of
// the X25519 secret of their static keys, salted with the pre-shared key, its info
// "vxtap v1 challenge " and the public key of the giver). A stranger on the path can
// thus not make a node begin again and again.
func challengeCiphers(own PrivateKey, peer PublicKey, psk PSK) (given, taken cipher.AEAD, err error) {
	public, err := ecdh.X25519().NewPublicKey(peer[:])
	if err != nil {
		return nil, nil, err
	}
	agreed, err := own.x25519().ECDH(public)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the public key %v is a point of low order", ErrBadKey, peer)
	}
	defer clear(agreed)
	if given, err = challengeCipher(agreed, psk, own.Public()); err != nil {
		return nil, nil, err
	}
	taken, err = challengeCipher(agreed, psk, peer)
	return given, taken, err
}

func challengeCipher(agreed []byte, psk PSK, giver PublicKey) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, agreed, psk[:], "vxtap v1 challenge "+string(giver[:]), 32)
	if err != nil {
		return nil, fmt.Errorf("key of challenges: %w", err)
	}
	defer clear(key)
	return replyCipher(key)
}
