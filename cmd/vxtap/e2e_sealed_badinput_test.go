//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// A sealed network that cannot be as it is asked for is refused, with a line that says why,
// and nothing is left of it.
func TestSealedBadInput(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	key, psk := secretFile(t, sealedA.Base64()), secretFile(t, sealedPSK)
	open := secretFile(t, sealedA.Base64())
	check(t, os.Chmod(open, 0o640))
	short := secretFile(t, sealedA.Base64()[:24])
	missing := filepath.Join(t.TempDir(), "missing")
	b := " --peer 10.9.0.2=" + sealedB.Public().String()
	for _, test := range []struct {
		code        int
		line, words string
	}{
		{exitFailed, "--key " + open + b, open + "|others than its owner|chmod 600"},
		{exitFailed, "--psk-file " + open + " --remote 10.9.0.2", open + "|others than its owner|chmod 600"},
		{exitFailed, "--key " + missing + b, missing + "|no such file"},
		{exitFailed, "--psk-file " + missing + " --key " + key + b, missing + "|no such file"},
		{exitFailed, "--key " + short + b, short + "|want 32"},
		{exitFailed, "--psk-file " + short + " --remote 10.9.0.2", short + "|want 32"},
		{exitFailed, "--key " + filepath.Dir(key) + b, "is a directory"},
		{exitFailed, "--key " + key + " --peer 10.9.0.2=" + sealedA.Public().String(), "10.9.0.2|this node's own"},

		{exitUsage, "--key " + key + b + " --peer 10.9.0.3=" + sealedB.Public().String(), "same public key"},
		{exitUsage, "--key " + key + b + b, "the same public key|10.9.0.2"},
		{exitUsage, "--key " + key + b + " --remote 10.9.0.3", "10.9.0.3|is no peer|--peer"},
		{exitUsage, "--key " + key + b + " --fdb 02:00:00:00:00:09=10.9.0.3", "10.9.0.3|is no peer"},
		{exitUsage, "--key " + key + " --peer 10.9.0.1=" + sealedB.Public().String(), "our own address"},
		{exitUsage, "--key " + key + " --peer 10.9.0.2=" + sealedB.Public().String()[:20], "--peer|want 32"},
		{exitUsage, "--key " + key, "without peers|--peer"},
		{exitUsage, "--psk-file " + psk, "without peers|--remote"},
		{exitUsage, "--psk-file " + psk + " --remote 10.9.0.2 --remote 10.9.0.2:4790", "the same node"},
		{exitUsage, b, "--peer without --key"},
		{exitUsage, "--remote 10.9.0.2", "without keys|--key|--psk-file"},
		{exitUsage, "--psk-file " + psk + " --remote 239.1.1.1", "239.1.1.1|multicast group"},
		{exitUsage, "--psk-file " + psk + " --remote 10.9.0.2 --group 239.1.1.1", "group"},
	} {
		args := strings.Fields("up --sealed --vni 42 --local 10.9.0.1 " + test.line)
		refused(t, a, socket, test.code, test.words, args...)
	}
	for _, words := range []string{"--key " + key, "--psk-file " + psk, b, "--cipher aes-256-gcm", "--nat"} {
		args := strings.Fields("up --vni 42 --local 10.9.0.1 --remote 10.9.0.2 " + words)
		refused(t, a, socket, exitUsage, "without --sealed", args...)
	}
}
