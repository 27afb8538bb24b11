package crypto

import (
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// cookieLife is how long a node makes cookies with one secret, and takes those of the one
// before; and how long the owner of a cookie uses it. As in WireGuard.
const cookieLife = 2 * time.Minute

// jar makes cookies: a MAC over an address and port under a secret of the node's. Nothing
// is kept for those who got one.
type jar struct {
	random            io.Reader
	current, previous *mac
	made              time.Duration
}

func newJar(random io.Reader, now time.Duration) (*jar, error) {
	j := &jar{random: random}
	if err := j.renew(now); err != nil {
		return nil, err
	}
	j.previous = j.current
	return j, nil
}

func (j *jar) renew(now time.Duration) error {
	var secret [sha256.Size]byte
	if _, err := io.ReadFull(j.random, secret[:]); err != nil {
		return fmt.Errorf("secret of cookies: %w", err)
	}
	j.previous, j.current, j.made = j.current, newMAC(secret[:]), now
	return nil
}

// refresh changes secrets when they are due. After a long silence both are new. Without
// random bytes the old ones serve on.
func (j *jar) refresh(now time.Duration) {
	age := now - j.made
	if age < cookieLife || j.renew(now) != nil {
		return
	}
	if age >= 2*cookieLife {
		j.previous = j.current
	}
}

func cookieOf(m *mac, from netip.AddrPort) [macSize]byte {
	return m.of(appendAddress(nil, from))
}

// give returns the cookie of an address.
func (j *jar) give(from netip.AddrPort, now time.Duration) [macSize]byte {
	j.refresh(now)
	return cookieOf(j.current, from)
}

// holds reports whether the message's second MAC is made with a cookie of its source.
func (j *jar) holds(message []byte, from netip.AddrPort, now time.Duration) bool {
	j.refresh(now)
	return secondHolds(message, cookieOf(j.current, from)) || secondHolds(message, cookieOf(j.previous, from))
}

// cookieCipher encrypts the cookies that the owner of a public key gives out. Whoever has
// the public key can read and write them: they prove an address and nothing else.
func cookieCipher(giver PublicKey) (cipher.AEAD, error) {
	key := sha256.Sum256(append([]byte("vxtap v1 cookie "), giver[:]...))
	return replyCipher(key[:])
}
