package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/crypto"
)

// secretFile makes a file with a secret in it.
func secretFile(t testing.TB, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What contradicts itself is refused before anything is opened.
func TestUpSealedBadUsage(t *testing.T) {
	b, c := "10.9.0.2="+keyB.String(), "10.9.0.3="+keyC.String()
	for _, tt := range []struct{ args, says string }{
		{"--key f", "--key without --sealed"},
		{"--peer " + b, "--peer without --sealed"},
		{"--psk-file f", "--psk-file without --sealed"},
		{"--cipher aes-256-gcm", "--cipher without --sealed"},
		{"--nat", "--nat without --sealed"},
		{"--keepalive 5s", "--keepalive without --sealed"},
		{"--sealed=false --key f", "--key without --sealed"},
		{"--sealed --remote 10.9.0.2", "a sealed network without keys: give --key FILE and --peer ADDR=PUBKEY, or --psk-file FILE"},
		{"--sealed --peer " + b, "--peer without --key"},
		{"--sealed --psk-file f --peer " + b, "--peer with --psk-file alone"},
		{"--sealed --key f", "a sealed network without peers"},
		{"--sealed --psk-file f", "a sealed network without peers"},
		{"--sealed --key f --peer " + b + " --remote 10.9.0.3", "10.9.0.3:4789 is no peer"},
		{"--sealed --key f --peer " + b + " --peer 10.9.0.3=" + keyB.String(), "have the same public key"},
		{"--sealed --key f --peer " + b + " --peer 10.9.0.2=" + keyC.String(), "peer 10.9.0.2 is given twice"},
		{"--sealed --key f --peer " + c + " --peer 10.9.0.1=" + keyB.String(), "is our own address"},
		{"--sealed --key f --peer " + b + " --fdb 02:42:0a:09:00:03=10.9.0.3", "10.9.0.3:4789 is no peer"},
		{"--sealed --psk-file f --remote 239.1.1.1", "is a multicast group"},
		{"--sealed --peer 10.9.0.2", `--peer: bad peer "10.9.0.2": want ADDRESS=PUBKEY`},
		{"--sealed --cipher rot13", `--cipher: bad cipher "rot13": want aes-128-gcm or aes-256-gcm`},
		{"--sealed --keepalive 0s", `--keepalive: bad keepalive "0s"`},
	} {
		args := append([]string{"up", "--vni", "42", "--local", "10.9.0.1"}, strings.Fields(tt.args)...)
		failed(t, vxtap(t.Context(), "", args...), exitUsage, tt.says)
	}
}

// Files that cannot be used fail the command, also before anything is opened.
func TestUpSealedBadFiles(t *testing.T) {
	k := crypto.PrivateKey{0, 1}
	own, psk := secretFile(t, k.Base64()), secretFile(t, k.Base64()[:40])
	open := secretFile(t, k.Base64())
	if err := os.Chmod(open, 0o604); err != nil {
		t.Fatal(err)
	}
	peers := " --peer 10.9.0.2=" + keyB.String()
	for args, says := range map[string]string{
		"--key " + own + " --peer 10.9.0.2=" + k.Public().String(): "peer 10.9.0.2 has the public key of this node's own " + own,
		"--key " + own + "x" + peers:                               "no such file",
		"--key " + open + peers:                                    "run chmod 600 " + open,
		"--psk-file " + psk + " --remote 10.9.0.2":                 psk + ": bad key: the pre-shared key is base64 of 30 bytes: want 32",
		"--psk-file " + open + " --key " + own + peers:             "run chmod 600 " + open,
	} {
		r := vxtap(t.Context(), "", append([]string{"up", "--sealed", "--vni", "42", "--local", "10.9.0.1"}, strings.Fields(args)...)...)
		failed(t, r, exitFailed, says)
		if strings.Contains(r.stderr, k.Base64()[:20]) {
			t.Errorf("up %s tells the key: %s", args, r.stderr)
		}
	}
}

// The help of up says what sharing a file means.
func TestUpSealedHelp(t *testing.T) {
	r := vxtap(t.Context(), "", "up", "--help")
	if !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), "not told apart from each other") {
		t.Errorf("help says\n%s", r.stdout)
	}
}
