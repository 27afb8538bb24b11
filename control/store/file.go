// Package store keeps what an agent must know again after it was killed at any moment, in
// files that hold either what they held before or what they hold now.
package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxSize bounds what is read. A thousand containers take a megabyte.
const maxSize = 64 << 20

// File is a value of type T in a file, as JSON. One process at a time uses it: see Lock.
type File[T any] struct{ path string }

// ErrInUse says that another process uses a file.
var ErrInUse = errors.New("in use by another agent")

// A process that was killed holds its lock until the kernel has taken down what it had. That
// is waited for, so that it can be restarted at once.
const (
	endingTimeout = 2 * time.Second
	endingPoll    = 10 * time.Millisecond
)

// NewFile returns the file at path, which need not be there yet.
func NewFile[T any](path string) File[T] { return File[T]{path} }

// Lock keeps other processes from using the file until unlock is called, or this process
// ends. The error wraps ErrInUse if another does.
func (f File[T]) Lock() (unlock func(), err error) {
	path := f.path + ".lock"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock %s: %w", f.path, err)
	}
	for deadline := time.Now().Add(endingTimeout); ; time.Sleep(endingPoll) {
		lock, err := lockFile(path)
		switch {
		case err == nil:
			return func() { _ = lock.Close() }, nil // which nothing was written to
		case errors.Is(err, errLocked) && time.Now().Before(deadline):
			continue
		case errors.Is(err, errLocked):
			return nil, fmt.Errorf("%s: %w", f.path, ErrInUse)
		}
		return nil, fmt.Errorf("lock %s: %w", f.path, err)
	}
}

// Load reads the value; a file that is not there holds the zero T.
func (f File[T]) Load() (v T, err error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("read what was kept: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSize))
	if err != nil {
		return v, fmt.Errorf("read what was kept: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // what a later version wrote is not to be lost
	err = d.Decode(&v)
	if _, more := d.Token(); err == nil && more != io.EOF {
		err = errors.New("more follows")
	}
	if err != nil {
		return v, fmt.Errorf("%s is damaged, or of another version: %w; move it away to begin anew", f.path, err)
	}
	return v, nil
}

// Save writes the value. When it returns, the value has reached the disk; if it fails, what
// was there is there still.
func (f File[T]) Save(v T) error {
	text, err := json.MarshalIndent(v, "", "\t")
	if err == nil {
		err = f.replace(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep it in %s: %w", f.path, err)
	}
	return nil
}

// replace writes a new file beside the old one and gives it its name.
func (f File[T]) replace(text []byte) (err error) {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	next := f.path + ".new" // what a killed one left is written over
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(next, f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return syncDir(dir)
}
