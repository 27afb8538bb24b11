package main

import (
	"strings"
	"testing"
)

// What run is told is of one source: a file, or flags for Docker alone.
func TestRunBadUsage(t *testing.T) {
	for args, says := range map[string]string{
		"run":                                   "no configuration file: name it with -c FILE",
		"run --docker":                          "no local address: give the underlay address of this host with --local",
		"run --docker --local x":                `--local: bad address "x": want an IP address of this host`,
		"run -c x.yaml --port 9 --local ::1":    "--local with -c: what is about the node goes to the top of x.yaml",
		"run --docker -c x.yaml --queues 2":     "--queues with -c: what is about the node goes to the top of x.yaml",
		"run --docker --local 10.9.0.1 --vni 2": "unknown flag: --vni: see vxtap run --help",
	} {
		r := vxtap(t.Context(), "", strings.Fields(args)...)
		if r.code != exitUsage || r.stderr != "vxtap: "+says+"\n" {
			t.Errorf("vxtap %s: exit code %d, stderr\n%s want\nvxtap: %s", args, r.code, r.stderr, says)
		}
	}
}
