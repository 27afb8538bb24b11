package netlab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Lab is a set of hosts and what is between them. Its methods may be called by several
// goroutines.
type Lab struct {
	prefix string // of all names, with a tag that makes it this lab's alone

	mu       sync.Mutex
	hosts    []*Host
	segments int
	closed   bool
}

// New returns a lab without hosts. All it makes is named with prefix and a random tag,
// so that labs do not get in each other's way.
func New(prefix string) (*Lab, error) {
	if err := checkName(prefix); err != nil {
		return nil, fmt.Errorf("lab %q: %w", prefix, err)
	}
	var tag [4]byte
	rand.Read(tag[:])
	return &Lab{prefix: prefix + "-" + hex.EncodeToString(tag[:])}, nil
}

// checkName refuses what cannot be a file name of its own.
func checkName(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsAny(name, "/\x00") || name[0] == '.' {
		return errors.New("a name has 1 to 64 characters, none of them a slash, and does not begin with a dot")
	}
	return nil
}

// Host adds a host: a network namespace with nothing in it but lo, which is up.
func (l *Lab) Host(name string) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addHost(name)
}

func (l *Lab) addHost(name string) (*Host, error) {
	err := checkName(name)
	switch {
	case err != nil:
	case l.closed:
		err = errClosed
	case slices.ContainsFunc(l.hosts, func(h *Host) bool { return h.name == name }):
		err = errors.New("the lab has a host of that name")
	}
	if err != nil {
		return nil, fmt.Errorf("host %q: %w", name, err)
	}
	h, err := newHost(name, l.prefix+"-"+name)
	if err != nil {
		return nil, fmt.Errorf("host %q: %w", name, err)
	}
	l.hosts = append(l.hosts, h)
	return h, nil
}

var errClosed = errors.New("the lab is closed")

// Close removes everything: links, namespaces and their names. Children that were
// started in a host are killed. Sockets that were opened there stay open and reach
// nobody. It may be called again, and then tries again what it could not do.
//
// The directory /run/netns stays, as iproute2 leaves it.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	l.hosts = slices.DeleteFunc(l.hosts, func(h *Host) bool {
		err := h.close()
		if err != nil {
			errs = append(errs, fmt.Errorf("remove host %q: %w", h.name, err))
		}
		return err == nil
	})
	return errors.Join(errs...)
}
