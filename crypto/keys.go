package crypto

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// KeySize is the size in bytes of every key that a person handles. Their text is
// standard base64 of that (RFC 4648 section 4): 44 characters, the last a "=".
const KeySize = 32

// PrivateKey is the X25519 private key of a node (RFC 7748), its identity. However it is
// printed, it does not show; its text comes from [PrivateKey.Base64] alone.
type PrivateKey [KeySize]byte

// PublicKey is the X25519 public key of a node. It is comparable, can be a map key, and
// is no secret. The zero value is nobody's.
type PublicKey [KeySize]byte

// PSK is a secret that two nodes, or all nodes of a lab, share. The zero value means
// none. However it is printed, it does not show; its text comes from [PSK.Base64] alone.
type PSK [KeySize]byte

// ErrBadKey is what the error of a text that is no key wraps.
var ErrBadKey = errors.New("bad key")

// GenerateKey makes a new identity.
func GenerateKey() (k PrivateKey, err error) { return k, random(k[:]) }

// GeneratePSK makes a new shared secret.
func GeneratePSK() (p PSK, err error) { return p, random(p[:]) }

func random(b []byte) error {
	if _, err := io.ReadFull(rand.Reader, b); err != nil {
		return fmt.Errorf("read %d random bytes: %w", len(b), err)
	}
	return nil
}

// ParsePrivateKey reads the text of a private key. White space around it is ignored.
// Like all errors of this kind, its errors never carry the text.
func ParsePrivateKey(text string) (PrivateKey, error) {
	k, err := decode("private key", text)
	return PrivateKey(k), err
}

// ParsePSK reads the text of a shared secret. White space around it is ignored.
func ParsePSK(text string) (PSK, error) {
	k, err := decode("pre-shared key", text)
	return PSK(k), err
}

// ParsePublicKey reads the text of a public key. White space around it is ignored. A
// point of low order is refused: whatever the private key, the secret agreed with it is
// zero (RFC 7748 section 6.1).
func ParsePublicKey(text string) (PublicKey, error) {
	k, err := decode("public key", text)
	if err != nil {
		return PublicKey{}, err
	}
	if lowOrder(k) {
		return PublicKey{}, fmt.Errorf("%w: this public key is a point of low order, which no private key has", ErrBadKey)
	}
	return PublicKey(k), nil
}

// decode reads base64 of exactly 32 bytes that are not all zero. The length is checked in
// the text, too, as the decoder passes over line breaks within it.
func decode(kind, text string) (k [KeySize]byte, err error) {
	text = strings.TrimSpace(text)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case text == "":
		return k, fmt.Errorf("%w: no %s, the text is empty", ErrBadKey, kind)
	case err != nil:
		return k, fmt.Errorf("%w: the %s is not base64: want %d bytes in %d characters", ErrBadKey,
			kind, KeySize, base64.StdEncoding.EncodedLen(KeySize))
	case len(b) != KeySize || len(text) != base64.StdEncoding.EncodedLen(KeySize):
		return k, fmt.Errorf("%w: the %s is base64 of %d bytes: want %d", ErrBadKey, kind, len(b), KeySize)
	case [KeySize]byte(b) == k:
		return k, fmt.Errorf("%w: the %s is all zero", ErrBadKey, kind)
	}
	return [KeySize]byte(b), nil
}

// lowOrder reports whether agreeing with the point gives zero. One private key tells for
// all: they are multiples of 8, which is what the order of such a point divides.
func lowOrder(point [KeySize]byte) bool {
	public, err := ecdh.X25519().NewPublicKey(point[:])
	if err != nil {
		return true
	}
	_, err = PrivateKey{1}.x25519().ECDH(public)
	return err != nil
}

// x25519 returns the key as the standard library has it, which refuses lengths only.
func (k PrivateKey) x25519() *ecdh.PrivateKey {
	private, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		panic(err)
	}
	return private
}

// Public returns the public key that belongs to k.
func (k PrivateKey) Public() PublicKey { return PublicKey(k.x25519().PublicKey().Bytes()) }

// Identity derives the private key of the node whose VTEP has the given underlay address
// (without its zone), for labs where all nodes share one secret: HKDF-SHA256 (RFC 5869)
// of the secret without salt, its info "vxtap v1 identity " and the 4 or 16 bytes of the
// address. Whoever has the secret can be any of these nodes.
func (p PSK) Identity(vtep netip.Addr) PrivateKey {
	info := "vxtap v1 identity " + string(vtep.Unmap().AsSlice())
	key, err := hkdf.Key(sha256.New, p[:], nil, info, KeySize)
	if err != nil {
		panic(err) // only for more than 255 hashes of output
	}
	return PrivateKey(key)
}

// IsZero reports whether there is no secret.
func (p PSK) IsZero() bool { return p == PSK{} }

// IsZero reports whether k is nobody's.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// String returns the key in base64.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParsePublicKey].
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}
