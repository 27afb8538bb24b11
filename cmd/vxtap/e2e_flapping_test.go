//go:build linux

package main

import (
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// A MAC that two hosts claim stays with one of them, is counted, and somebody is told.
func TestFlappingMAC(t *testing.T) {
	t.Parallel()
	v := startVTEPs(t, 3)
	twice := encap.MAC{2, 0, 0, 0, 0, 0x66}
	by := 0
	eventually(t, "moves are held back", func() bool {
		by = 1 + by%2 // 1 and 2 in turn
		inject(t, v.hosts[by], "vx42", frame(broadcast, twice, label("mine")))
		return v.agents[0].stats().MovesHeld > 0
	})
	v.agents[0].waitLog("moves to and fro")
	for _, agent := range v.agents {
		nothingLost(t, agent)
	}
}
