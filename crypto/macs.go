package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// Initiations and responses end in two MACs. The first is keyed by the receiver's public
// key: who does not know that key is refused at the cost of one hash. The second is keyed
// by a cookie that the receiver gave to the sender's address. Neither authenticates
// anybody, which is what the Noise message is for.

// mac is HMAC-SHA256 (RFC 2104) truncated to 16 bytes, its key schedule kept. Not for
// several goroutines at a time.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func newMAC(key []byte) *mac { return &mac{hash: hmac.New(sha256.New, key)} }

// of returns the MAC of the parts, one after the other.
func (m *mac) of(parts ...[]byte) [macSize]byte {
	m.hash.Reset()
	for _, p := range parts {
		m.hash.Write(p)
	}
	return [macSize]byte(m.hash.Sum(m.sum[:0]))
}

// ofPublic is the MAC whose key everybody knows who knows the public key.
func ofPublic(k PublicKey) *mac {
	key := sha256.Sum256(append([]byte("vxtap v1 mac1 "), k[:]...))
	return newMAC(key[:])
}

// appendMACs ends a message: its first MAC, and the second one, zero without a cookie.
func appendMACs(message []byte, first *mac, cookie *[macSize]byte) []byte {
	m := first.of(message)
	message = append(message, m[:]...)
	if cookie == nil {
		return append(message, make([]byte, macSize)...)
	}
	m = newMAC(cookie[:]).of(message)
	return append(message, m[:]...)
}

// firstMAC is the first MAC in a message that has two.
func firstMAC(message []byte) [macSize]byte {
	return [macSize]byte(message[len(message)-2*macSize:])
}

// firstHolds compares in constant time.
func firstHolds(message []byte, first *mac) bool {
	want, got := first.of(message[:len(message)-2*macSize]), firstMAC(message)
	return hmac.Equal(got[:], want[:])
}

// secondHolds compares in constant time.
func secondHolds(message []byte, cookie [macSize]byte) bool {
	body := len(message) - macSize
	want := newMAC(cookie[:]).of(message[:body])
	return hmac.Equal(message[body:], want[:])
}
