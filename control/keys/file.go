package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/vxtap/vxtap/crypto"
)

// maxFile is more than any file with one key has, in bytes.
const maxFile = 4096

// ReadPrivateKey reads the file of a node's private key. It refuses one that others may
// use than its owner, who is root or whom this process runs as.
func ReadPrivateKey(path string) (crypto.PrivateKey, error) {
	return read(path, crypto.ParsePrivateKey)
}

// ReadPSK reads the file of a shared secret, as strictly.
func ReadPSK(path string) (crypto.PSK, error) { return read(path, crypto.ParsePSK) }

func read[T any](path string, parse func(string) (T, error)) (key T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return key, fmt.Errorf("read a secret: %w", err)
	}
	defer f.Close()
	// The open file is looked at, not the name: another file may bear it by now.
	info, err := f.Stat()
	if err != nil {
		return key, fmt.Errorf("read a secret: %w", err)
	}
	if info.IsDir() {
		return key, fmt.Errorf("%s is a directory: name a file that holds one key", path)
	}
	if err := checkOwner(path, info); err != nil {
		return key, err
	}
	text, err := readText(f)
	if err == nil {
		key, err = parse(text)
	}
	if err != nil {
		return key, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// ParseFrom reads a private key from a stream, up to its end.
func ParseFrom(r io.Reader) (crypto.PrivateKey, error) {
	text, err := readText(r)
	if err != nil {
		return crypto.PrivateKey{}, err
	}
	return crypto.ParsePrivateKey(text)
}

// readText reads what may be a key, and refuses to read on.
func readText(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("more than %d bytes: that is no key", maxFile)
	}
	return string(b), err
}

// Create makes a file with one secret, which its owner alone may read. It refuses if the
// file is there: a key that somebody uses cannot be had again.
func Create(path, secret string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and stays as it is: name another file, or remove it first", path)
	}
	if err != nil {
		return fmt.Errorf("make a file for a secret: %w", err)
	}
	_, err = io.WriteString(f, secret+"\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write a secret: %w", err), os.Remove(path)) // half a key is none
	}
	return nil
}
