package keys_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newKey(t *testing.T) crypto.PrivateKey {
	t.Helper()
	k, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newPSK(t *testing.T) crypto.PSK {
	t.Helper()
	p, err := crypto.GeneratePSK()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write makes a file with a mode, whatever the umask.
func write(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// says expects an error of one line with these words, which does not tell the secret.
func says(t *testing.T, err error, secret string, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") || secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("%q tells too much", err)
	}
}

// What was made can be read, by its owner alone, and stays.
func TestCreate(t *testing.T) {
	k := newKey(t)
	path := filepath.Join(t.TempDir(), "key")
	if err := keys.Create(path, k.Base64()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	says(t, keys.Create(path, newKey(t).Base64()), "", path, "exists", "remove it first")
	if got, err := keys.ReadPrivateKey(path); got != k || err != nil {
		t.Errorf("another key than was written, %v", err)
	}
	err = keys.Create(filepath.Join(path, "below"), k.Base64())
	says(t, err, k.Base64(), path)
}

func TestReadPSK(t *testing.T) {
	p := newPSK(t)
	if got, err := keys.ReadPSK(write(t, p.Base64()+"\n", 0o400)); got != p || err != nil {
		t.Errorf("another secret than was written, %v", err)
	}
}

func TestReadRefusesWhatOthersMayUse(t *testing.T) {
	k := newKey(t).Base64()
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o660, 0o620, 0o602, 0o777} {
		path := write(t, k, mode)
		_, err := keys.ReadPrivateKey(path)
		says(t, err, k, "chmod 600 "+path)
		_, err = keys.ReadPSK(path)
		says(t, err, k, "chmod 600 "+path)
	}
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o700} {
		if _, err := keys.ReadPrivateKey(write(t, k, mode)); err != nil {
			t.Error(err)
		}
	}
}

// Whose file it is can put another key into it.
func TestReadRefusesTheFilesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	k := newKey(t)
	path := write(t, k.Base64(), 0o600)
	if err := os.Chown(path, 12345, 0); err != nil {
		t.Fatal(err)
	}
	_, err := keys.ReadPrivateKey(path)
	says(t, err, k.Base64(), path, "user 12345", "run chown 0 "+path)
}

func TestReadRefusesWhatIsNoKey(t *testing.T) {
	k := newKey(t).Base64()
	for text, want := range map[string]string{
		"":                                  "empty",
		k[:40] + "\n":                       "want 32",
		k + "\n" + k + "\n":                 "not base64",
		strings.Repeat(" ", 4060) + k:       "no key",
		"-----BEGIN PRIVATE KEY-----\n" + k: "not base64",
		strings.Repeat("A", 43) + "=":       "all zero",
		strings.Repeat("\n", 4000) + k[:20]: "want 32",
	} {
		path := write(t, text, 0o600)
		_, err := keys.ReadPrivateKey(path)
		says(t, err, k[:20], path, want)
		_, err = keys.ParseFrom(strings.NewReader(text))
		says(t, err, k[:20], want)
	}
	if _, err := keys.ReadPrivateKey(write(t, strings.Repeat("\n", 4000)+k, 0o600)); err != nil {
		t.Error(err)
	}
	if _, err := keys.ReadPSK(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	_, err := keys.ReadPSK(t.TempDir())
	says(t, err, "", "is a directory")
}
