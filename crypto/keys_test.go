package crypto_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/crypto"
)

func fromHex(t *testing.T, text string) [crypto.KeySize]byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != crypto.KeySize {
		t.Fatalf("%q: %d bytes, %v", text, len(b), err)
	}
	return [crypto.KeySize]byte(b)
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// The key pairs of RFC 7748 section 6.1.
func TestPublic(t *testing.T) {
	for private, want := range map[string]string{
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a": "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb": "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	} {
		if got := crypto.PrivateKey(fromHex(t, private)).Public(); got != fromHex(t, want) {
			t.Errorf("%s has the public key %x, want %s", private, got, want)
		}
	}
}

// Answers of another implementation of HKDF (pyca/cryptography, which is OpenSSL's).
func TestIdentity(t *testing.T) {
	var psk crypto.PSK
	for i := range psk {
		psk[i] = byte(i + 1)
	}
	for addr, want := range map[string]string{
		"10.9.0.1":        "9f960d42ca7f36d51177c8d294439b00f4cde47f21eda8f36bbb80704e9c7fa6",
		"::ffff:10.9.0.1": "9f960d42ca7f36d51177c8d294439b00f4cde47f21eda8f36bbb80704e9c7fa6",
		"10.9.0.2":        "b2475f92acabd95de39436946b49368a336b43e6804fe4dc1aa32f10b24a3247",
		"fd09::1":         "c77de65206b047a219071cd1c3c40050302629173a1f2ef80432f5f99a5f36c5",
		"fd09::1%eth0":    "c77de65206b047a219071cd1c3c40050302629173a1f2ef80432f5f99a5f36c5",
	} {
		if got := psk.Identity(netip.MustParseAddr(addr)); got != fromHex(t, want) {
			t.Errorf("%s is %s, want %s", addr, got.Base64(), want)
		}
	}
}

// Whatever is generated can be read again, and is not what was generated before.
func TestGenerate(t *testing.T) {
	seen := make(map[[crypto.KeySize]byte]bool)
	for range 16 {
		k, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := crypto.ParsePrivateKey(k.Base64() + "\n"); again != k || err != nil {
			t.Errorf("a private key comes back as another: %v", err)
		}
		if again, err := crypto.ParsePublicKey(k.Public().String()); again != k.Public() || err != nil {
			t.Errorf("%v comes back as %v, %v", k.Public(), again, err)
		}
		p, err := crypto.GeneratePSK()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := crypto.ParsePSK("\t" + p.Base64() + "\r\n"); again != p || err != nil {
			t.Errorf("a shared secret comes back as another: %v", err)
		}
		if seen[k] || seen[p] || p.IsZero() || k.Public().IsZero() {
			t.Error("generated twice, or zero")
		}
		seen[k], seen[p] = true, true
	}
}

func TestParseRefuses(t *testing.T) {
	good := base64Of([]byte(strings.Repeat("k", crypto.KeySize)))
	for text, want := range map[string]string{
		"":                                  "empty",
		" \n":                               "empty",
		"secret!":                           "not base64",
		good[:43]:                           "not base64", // no padding
		good[:42] + "t=":                    "not base64", // bits beyond the last byte
		good + good:                         "not base64",
		strings.ReplaceAll(good, "a", "-"):  "not base64", // as in URLs
		good[:20] + "\n" + good[20:]:        "base64 of 32 bytes",
		good[:20] + " " + good[20:]:         "not base64",
		base64Of(make([]byte, 31)):          "base64 of 31 bytes: want 32",
		base64Of(make([]byte, 33)):          "base64 of 33 bytes: want 32",
		base64Of([]byte("secret password")): "base64 of 15 bytes: want 32",
		base64Of(make([]byte, 32)):          "all zero",
	} {
		_, private := crypto.ParsePrivateKey(text)
		_, public := crypto.ParsePublicKey(text)
		_, psk := crypto.ParsePSK(text)
		for kind, err := range map[string]error{"private key": private, "public key": public, "pre-shared key": psk} {
			if !errors.Is(err, crypto.ErrBadKey) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), kind) {
				t.Errorf("%q as %s: got %v, want %q", text, kind, err, want)
			}
		}
	}
}

// The points whose order divides 8, as https://cr.yp.to/ecdh.html lists them. Bit 255 is
// not the point's (RFC 7748 section 5).
func TestParsePublicKeyRefusesLowOrder(t *testing.T) {
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080",
	} {
		point := fromHex(t, text)
		if _, err := crypto.ParsePublicKey(base64Of(point[:])); !errors.Is(err, crypto.ErrBadKey) || !strings.Contains(err.Error(), "low order") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Every 32 bytes that are not zero are a private key, and have one text only.
func TestPrivateKeyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := crypto.PrivateKey(rapid.SliceOfN(rapid.Byte(), crypto.KeySize, crypto.KeySize).Draw(t, "key"))
		again, err := crypto.ParsePrivateKey(k.Base64())
		if zero := k == (crypto.PrivateKey{}); zero != (err != nil) || again != k {
			t.Errorf("%s comes back as %s, %v", k.Base64(), again.Base64(), err)
		}
	})
}

// FuzzParsePublicKey holds that what is taken for a key is written as it was read.
func FuzzParsePublicKey(f *testing.F) {
	f.Add("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=")
	f.Add(" hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n")
	f.Add("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp=")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := crypto.ParsePublicKey(text)
		if err == nil && k.String() != strings.TrimSpace(text) || (err != nil) != k.IsZero() {
			t.Errorf("%q is %v, %v", text, k, err)
		}
	})
}
