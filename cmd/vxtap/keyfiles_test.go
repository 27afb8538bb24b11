package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/crypto"
)

// done expects a command to have worked, and returns the one line it printed.
func done(t *testing.T, r result) string {
	t.Helper()
	if r.code != exitDone || r.stderr != "" || strings.Count(r.stdout, "\n") > 1 {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	return strings.TrimSuffix(r.stdout, "\n")
}

// failed expects a command to have failed with a line that has these words.
func failed(t *testing.T, r result, code int, words string) {
	t.Helper()
	if r.code != code || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, words) {
		t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", r.code, r.stdout, r.stderr, code, words)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeyCommands(t *testing.T) {
	ctx := t.Context()
	text := done(t, vxtap(ctx, "", "genkey"))
	k, err := crypto.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	public := done(t, vxtapReading(ctx, text+"\n", "", "pubkey"))
	if public != k.Public().String() {
		t.Errorf("public key %q, want %v", public, k.Public())
	}
	if other := done(t, vxtap(ctx, "", "genkey")); other == text {
		t.Error("the same key twice")
	}
	if _, err := crypto.ParsePSK(done(t, vxtap(ctx, "", "genpsk"))); err != nil {
		t.Error(err)
	}
	for stdin, want := range map[string]string{"": "standard input: bad key: no private key", text[:20]: "want 32", public[:43]: "not base64"} {
		failed(t, vxtapReading(ctx, stdin, "", "pubkey"), exitFailed, want)
	}
}

func TestKeyFiles(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	for _, command := range []string{"genkey", "genpsk"} {
		path := filepath.Join(dir, command)
		if out := done(t, vxtap(ctx, "", command, "-o", path)); out != "" {
			t.Errorf("%s -o prints %q", command, out)
		}
		before := contents(t, path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s makes a file with mode %v, %v", command, info.Mode(), err)
		}
		failed(t, vxtap(ctx, "", command, "-o", path), exitFailed, path+" exists")
		if contents(t, path) != before {
			t.Errorf("%s changed a file that was there", command)
		}
	}
	path := filepath.Join(dir, "genkey")
	k, err := crypto.ParsePrivateKey(contents(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if got := done(t, vxtap(ctx, "", "pubkey", path)); got != k.Public().String() {
		t.Errorf("public key %q, want %v", got, k.Public())
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	failed(t, vxtap(ctx, "", "pubkey", path), exitFailed, "run chmod 600 "+path)
	failed(t, vxtap(ctx, "", "pubkey", path+".pub"), exitFailed, "no such file")
	failed(t, vxtap(ctx, "", "pubkey", path, "x"), exitUsage, `unexpected "x": want vxtap pubkey [FILE]`)
	failed(t, vxtap(ctx, "", "genkey", path), exitUsage, "genkey takes flags only")
}
