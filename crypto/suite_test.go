package crypto

import (
	"bytes"
	"strings"
	"testing"
)

func TestSuite(t *testing.T) {
	for s, want := range map[Suite]struct {
		name string
		size int
	}{
		AES128GCM: {"aes-128-gcm", 16},
		AES256GCM: {"aes-256-gcm", 32},
	} {
		if s.String() != want.name || s.keySize() != want.size || s.valid() != nil {
			t.Errorf("%v, keys of %d bytes, %v; want %+v", s, s.keySize(), s.valid(), want)
		}
		aead, err := s.aead(make([]byte, want.size))
		if err != nil || aead.NonceSize() != nonceSize || aead.Overhead() != TagSize {
			t.Errorf("%v: %v", s, err)
		}
	}
	if err := Suite(2).valid(); err == nil || !strings.Contains(err.Error(), "suite 2: want aes-128-gcm or aes-256-gcm") {
		t.Errorf("suite 2: %v", err)
	}
}

// No key of another suite's size is taken, and an error never shows one.
func TestKeySizes(t *testing.T) {
	for _, s := range []Suite{AES128GCM, AES256GCM, 2, 255} {
		for size := range 65 {
			key := bytes.Repeat([]byte{'k'}, size)
			fits := size == s.keySize() && size > 0
			_, err := newSendKey(s, key, 1, 1, nil)
			_, other := newRecvKey(s, key, 1, 1)
			if (err == nil) != fits || (other == nil) != fits {
				t.Errorf("%v with %d bytes: %v, %v", s, size, err, other)
			}
			if err != nil && strings.Contains(err.Error(), "kk") {
				t.Errorf("the error shows the key: %v", err)
			}
		}
	}
}

func TestQueueNumbers(t *testing.T) {
	for queues := -1; queues <= 18; queues++ {
		fits := queues >= 1 && queues <= MaxQueues
		_, err := newSendKey(AES128GCM, make([]byte, 16), 1, queues, nil)
		_, other := newRecvKey(AES128GCM, make([]byte, 16), 1, queues)
		if (err == nil) != fits || (other == nil) != fits {
			t.Errorf("%d queues: %v, %v", queues, err, other)
		}
	}
}

// Whatever the key is derived from makes it another; the suites' keys share no bytes.
func TestDerivedKeysDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, suite := range []Suite{AES128GCM, AES256GCM} {
		for _, sender := range []direction{fromInitiator, fromResponder} {
			for split := range byte(2) {
				for hash := range byte(2) {
					key, err := deriveKey(suite, [32]byte{split}, [32]byte{hash}, sender)
					if err != nil || len(key) != suite.keySize() {
						t.Fatalf("%v: %d bytes, %v", suite, len(key), err)
					}
					what := suite.String() + " " + string(sender) + string('0'+rune(split)) + string('0'+rune(hash))
					if other, ok := seen[string(key[:16])]; ok {
						t.Errorf("%s: the key of %s", what, other)
					}
					seen[string(key[:16])] = what
				}
			}
		}
	}
}
