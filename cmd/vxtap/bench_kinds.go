package main

import (
	"fmt"
	"strings"
)

// benchKind is a subject that bench knows how to bring up.
type benchKind struct {
	key, title string
	// args of "vxtap up" beyond the common ones; nil if the subject is no vxtap.
	args []string
	// sealed: both ends get the same file with a shared secret as well.
	sealed bool
	// captured: at both ends a capture takes all frames, and nobody looks at them.
	captured bool
	// asked: it is there only if it is named.
	asked bool
}

// Subjects that are no vxtap.
const (
	benchUnderlay = "underlay"
	benchKernel   = "kernel"
)

// Subjects that are set against each other: what a capture costs.
const (
	benchVxtap    = "vxtap"
	benchCaptured = "captured"
)

// benchKinds are all, in the order in which they are shown.
var benchKinds = [...]benchKind{
	{key: benchUnderlay, title: "no tunnel: straight between the ends of the veth pair"},
	{key: benchKernel, title: "the kernel's VXLAN device; all ratios are to it"},
	{key: benchVxtap, title: "vxtap as it comes", args: []string{"--offload", "auto"}},
	{key: "sealed", title: "vxtap as it comes, its network sealed with AES-128-GCM", args: []string{"--offload", "auto", "--sealed"}, sealed: true},
	{key: "no-offload", title: "vxtap with its Linux drivers, and nothing left to the kernel", args: []string{"--offload", "none"}},
	{key: "portable", title: "vxtap with its portable drivers, a frame a system call", args: []string{"--offload", "off"}},
	{key: benchCaptured, title: "vxtap as it comes, with a capture of all frames at both ends; only if it is named", args: []string{"--offload", "auto"}, captured: true, asked: true},
}

func findBenchKind(key string) *benchKind {
	for i := range benchKinds {
		if benchKinds[i].key == key {
			return &benchKinds[i]
		}
	}
	return nil
}

func benchKindKeys() (keys []string) {
	for _, k := range benchKinds {
		keys = append(keys, k.key)
	}
	return keys
}

// benchKindDefaults are those that are measured unless others are named.
func benchKindDefaults() (keys []string) {
	for _, k := range benchKinds {
		if !k.asked {
			keys = append(keys, k.key)
		}
	}
	return keys
}

func parseBenchSubject(s string) (string, error) {
	if findBenchKind(s) == nil {
		return "", fmt.Errorf("bad subject %q: want one of %s", s, strings.Join(benchKindKeys(), ", "))
	}
	return s, nil
}

func describeKinds() string {
	t := table{indent: "  "}
	for _, k := range benchKinds {
		t.add(k.key, k.title)
	}
	return t.text()
}
