package main

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

func TestBenchUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--underlay copper":               `--underlay: underlay "copper": give one of super, wire, bare`,
		"--underlay wire,wire":            "--underlay: underlay wire is there twice",
		"--mtu 900":                       `--mtu: bad MTU "900": want one from 1500 to 65535`,
		"--runs 0":                        `--runs: bad number of runs "0": want one from 1 to 1000`,
		"--duration 1":                    `--duration: bad duration "1": want a time from 20ms to 1h0m0s, like 500ms`,
		"--subjects wireguard":            `--subjects: bad subject "wireguard": want one of underlay, kernel, vxtap, sealed, no-offload, portable, captured`,
		"--measures tcp9":                 `--measures: bad measure "tcp9": want one of tcp1, tcp4, udp64,`,
		"--against 10.7.0.2":              `--against: bad tunnel "10.7.0.2": want NAME=ADDR[:PORT]@NETNS`,
		"--against kernel=10.7.0.2":       `--against: bad tunnel "kernel=10.7.0.2": kernel is one of bench's own subjects`,
		"--against mine=there@blue":       `--against: bad address "there" of tunnel mine`,
		"--against a=::1 --against a=::2": "--against: there are two tunnels a",
		"now":                             `unexpected "now": bench takes flags only`,
	} {
		r := vxtap(context.Background(), "", append([]string{"bench"}, strings.Fields(args)...)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("bench %s: exit code %d, %q, want %q", args, r.code, r.stderr, want)
		}
	}
}

func TestParseBenchForeign(t *testing.T) {
	for text, want := range map[string]benchForeign{
		"mine=10.7.0.2@blue":         {"mine", netip.MustParseAddrPort("10.7.0.2:7348"), "blue"},
		"mine=10.7.0.2:99@/run/x/ns": {"mine", netip.MustParseAddrPort("10.7.0.2:99"), "/run/x/ns"},
		"six=fd07::2":                {"six", netip.MustParseAddrPort("[fd07::2]:7348"), ""},
		"six=[fd07::2]:99@blue":      {"six", netip.MustParseAddrPort("[fd07::2]:99"), "blue"},
	} {
		if got, err := parseBenchForeign(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
}
