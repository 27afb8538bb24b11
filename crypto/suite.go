package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// Suite is what data is sealed with. Peers must agree on it: it is part of the handshake's
// prologue.
type Suite uint8

const (
	AES128GCM Suite = iota // AES-GCM with a key of 16 bytes: AEAD_AES_128_GCM of RFC 5116 section 5.1
	AES256GCM              // AES-GCM with a key of 32 bytes: AEAD_AES_256_GCM of RFC 5116 section 5.2
)

// String returns the suite's name: "aes-128-gcm" or "aes-256-gcm".
func (s Suite) String() string {
	switch s {
	case AES128GCM:
		return "aes-128-gcm"
	case AES256GCM:
		return "aes-256-gcm"
	}
	return fmt.Sprintf("suite %d", uint8(s))
}

// keySize returns the size of the suite's keys in bytes, zero if there is no such suite.
func (s Suite) keySize() int {
	switch s {
	case AES128GCM:
		return 16
	case AES256GCM:
		return 32
	}
	return 0
}

// valid returns an error that names the suite if there is none such.
func (s Suite) valid() error {
	if s.keySize() == 0 {
		return fmt.Errorf("%v: want %v or %v", s, AES128GCM, AES256GCM)
	}
	return nil
}

// aead returns the standard library's cipher, which keeps no reference to the key.
func (s Suite) aead(key []byte) (cipher.AEAD, error) {
	if err := s.valid(); err != nil {
		return nil, err
	}
	if n := s.keySize(); len(key) != n {
		return nil, fmt.Errorf("%v: a key of %d bytes: want %d", s, len(key), n)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	return aead, nil
}
