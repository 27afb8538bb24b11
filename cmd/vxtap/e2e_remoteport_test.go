//go:build linux

package main

import (
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Two nodes that listen on ports of their own, and name each other's.
func TestRemotePort(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2:8472", "--address", innerA+"/24")
	w := startVXTAP(t, b, "--vni", "42", "--local", "10.9.0.2", "--remote", "10.9.0.1:4789", "--port", "8472",
		"--address", innerB+"/24")
	ping(t, a, innerB)
	ping(t, b, innerA)
	nothingLost(t, v)
	nothingLost(t, w)
}
