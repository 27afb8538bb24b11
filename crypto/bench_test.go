package crypto

import (
	"crypto/cipher"
	"testing"
)

// benchSize is a VXLAN header and a frame that fill a packet of 1500 bytes, but for a few.
const benchSize = 1400

func benchAEAD(b *testing.B) cipher.AEAD {
	b.Helper()
	aead, err := AES128GCM.aead(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	b.ReportAllocs()
	return aead
}

// BenchmarkSeal1400 is what a frame costs. It should take at most 15 % more than
// [BenchmarkBareGCM1400].
func BenchmarkSeal1400(b *testing.B) {
	k, _ := testKeys(b, AES128GCM, 2)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	plain, out := make([]byte, benchSize), make([]byte, 0, benchSize+Overhead)
	for b.Loop() {
		if _, ok := k.Seal(0, out, plain, 0); !ok {
			b.Fatal("sealing stopped")
		}
	}
}

// BenchmarkBareGCM1400 is what the standard library takes for the same.
func BenchmarkBareGCM1400(b *testing.B) {
	aead := benchAEAD(b)
	nonce, header := make([]byte, nonceSize), make([]byte, HeaderSize)
	plain, out := make([]byte, benchSize), make([]byte, 0, benchSize+TagSize)
	for b.Loop() {
		aead.Seal(out, nonce, plain, header)
	}
}

// BenchmarkOpen1400 is what a packet that was sealed costs. Opening is done in place, so
// each is sealed anew: the time of [BenchmarkSeal1400] is part of this one's.
func BenchmarkOpen1400(b *testing.B) {
	send, receive := testKeys(b, AES128GCM, 2)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	plain, out := make([]byte, benchSize), make([]byte, 0, benchSize+Overhead)
	for b.Loop() {
		packet, _ := send.Seal(0, out, plain, 0)
		if _, _, v := receive.Open(packet); v != Opened {
			b.Fatal(v)
		}
	}
}

// BenchmarkBareGCMOpen1400 is what the standard library takes for sealing and opening.
func BenchmarkBareGCMOpen1400(b *testing.B) {
	aead := benchAEAD(b)
	nonce, header := make([]byte, nonceSize), make([]byte, HeaderSize)
	plain, out := make([]byte, benchSize), make([]byte, 0, benchSize+TagSize)
	for b.Loop() {
		sealed := aead.Seal(out, nonce, plain, header)
		if _, err := aead.Open(sealed[:0], nonce, sealed, header); err != nil {
			b.Fatal(err)
		}
	}
}
