package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
)

// A reply is a message of type 0x43: the receiver of an initiation does not take it as it
// is, and gives its sender 16 bytes with which it may try again. It is bound to that
// initiation by its index and its first MAC.
const (
	replyCookie    = 1
	replyChallenge = 2
)

// replyCipher is AES-256-GCM, used with random nonces.
func replyCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher of cookies and challenges: %w", err)
	}
	return cipher.NewGCM(block)
}

// sealReply writes a reply to the initiation that had the index and ended in the MAC.
func sealReply(aead cipher.AEAD, random io.Reader, kind byte, index uint32, first, value [macSize]byte) ([]byte, error) {
	b := putStart(make([]byte, 0, answerSize), TypeCookie, index)
	b = append(b, kind, 0, 0, 0)
	extra := append(b[:len(b):len(b)], first[:]...)
	nonce := b[len(b) : len(b)+nonceSize]
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("nonce of a reply: %w", err)
	}
	b = b[:len(b)+nonceSize]
	return aead.Seal(b, nonce, value[:], extra), nil
}

// replyTo is the index and the kind of a message that is as long as a reply is.
func replyTo(message []byte) (index uint32, kind byte) {
	return binary.BigEndian.Uint32(message[4:]), message[startSize]
}

// openReply returns the value if the reply was made for the initiation with this MAC.
func openReply(aead cipher.AEAD, message []byte, first [macSize]byte) (value [macSize]byte, ok bool) {
	const body = startSize + 4 + nonceSize
	extra := append(message[:startSize+4:startSize+4], first[:]...)
	plain, err := aead.Open(nil, message[startSize+4:body], message[body:], extra)
	if err != nil {
		return value, false
	}
	return [macSize]byte(plain), true
}
