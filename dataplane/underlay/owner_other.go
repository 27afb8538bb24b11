//go:build !linux

package underlay

import "net/netip"

// portOwner would say who holds the port; only Linux tells.
func portOwner(netip.AddrPort) string { return "another socket" }
