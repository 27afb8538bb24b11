package crypto_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/crypto"
)

// However a secret is printed, nothing of it shows.
func TestSecretsDoNotShow(t *testing.T) {
	var k crypto.PrivateKey
	var p crypto.PSK
	for i := range k {
		k[i], p[i] = 0xa7, 0xa7
	}
	holder := struct {
		Key  crypto.PrivateKey
		PSK  *crypto.PSK
		List []crypto.PSK
	}{k, &p, []crypto.PSK{p}}
	traces := []string{hex.EncodeToString(k[:3]), k.Base64()[:4], "167", "a7 a7", "0xa7"}
	for _, v := range []any{k, p, &k, &p, holder, &holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%c", "%t", "%e"} {
			for _, trace := range traces {
				if s := fmt.Sprintf(verb, v); strings.Contains(strings.ToLower(s), strings.ToLower(trace)) {
					t.Errorf("%s of %T is %q", verb, v, s)
				}
			}
		}
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T as JSON is %s", v, b)
		}
	}
	if s := k.String() + k.GoString() + p.String() + p.GoString(); s != strings.Repeat("(private key)", 2)+strings.Repeat("(pre-shared key)", 2) {
		t.Errorf("secrets are shown as %q", s)
	}
}

// What is no secret goes into JSON and out of it.
func TestPublicKeyJSON(t *testing.T) {
	k, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[crypto.PublicKey]crypto.PublicKey{k.Public(): k.Public()})
	if err != nil {
		t.Fatal(err)
	}
	var again map[crypto.PublicKey]crypto.PublicKey
	if err := json.Unmarshal(b, &again); err != nil || again[k.Public()] != k.Public() {
		t.Errorf("%s comes back as %v, %v", b, again, err)
	}
	if err := json.Unmarshal([]byte(`["AAAA"]`), new([]crypto.PublicKey)); err == nil {
		t.Error("three bytes are taken for a key")
	}
}
