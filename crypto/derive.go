package crypto

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// A direction of a session is named after who sends in it.
type direction string

const (
	fromInitiator direction = "initiator"
	fromResponder direction = "responder"
)

// deriveKey makes the key with which data of one direction is sealed: HKDF-SHA256 (RFC
// 5869) of the direction's key of Noise's Split, salted with the hash of the whole
// handshake, its info "vxtap v1 data ", the suite's name, a space, and "initiator" or
// "responder", whichever sends. The key is 16 or 32 bytes, the caller's to wipe.
//
// Split's keys would do for AES-256-GCM as they are. Deriving keeps them from ever being
// used for two ciphers, and binds the key to everything that was said in the handshake.
func deriveKey(suite Suite, split [32]byte, hash [sha256.Size]byte, sender direction) ([]byte, error) {
	info := "vxtap v1 data " + suite.String() + " " + string(sender)
	key, err := hkdf.Key(sha256.New, split[:], hash[:], info, suite.keySize())
	if err != nil {
		return nil, fmt.Errorf("derive a key of %v for the %s: %w", suite, sender, err)
	}
	return key, nil
}
