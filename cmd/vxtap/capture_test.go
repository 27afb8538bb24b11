package main

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
)

func TestCaptureAsks(t *testing.T) {
	a := oneNetwork()
	a.capture = []byte("this is none")
	line := "capture --stage wire --stage dropped --network 42 --remote 10.9.0.2 --filter arp --snaplen 96"
	r := vxtap(t.Context(), a.serve(t), strings.Fields(line)...)
	if r.code != exitFailed || !strings.Contains(r.stderr, "is no vxtap agent: this is no capture") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	want := api.Capture{
		Stages: []api.CaptureStage{api.CaptureWire, api.CaptureDropped}, VNI: 42,
		Remote: netip.MustParseAddr("10.9.0.2"), Filter: "arp", SnapLen: 96,
	}
	if !reflect.DeepEqual(a.asked, []any{want}) {
		t.Errorf("asked %+v, want %+v", a.asked, want)
	}
}

func TestCaptureBadUsage(t *testing.T) {
	for line, says := range map[string]string{
		"--stage wires":    `--stage: bad stage "wires": want tap, wire or dropped`,
		"--network 0":      "--network: ",
		"--remote example": `--remote: bad address "example": want that of a VTEP`,
		"--filter frob":    `--filter: filter "frob": unexpected "frob" at column 1`,
		"--snaplen -1":     `--snaplen: bad length "-1"`,
		"overlay.pcapng":   `unexpected "overlay.pcapng"`,
		"-w":               "flag needs an argument",
	} {
		r := vxtap(t.Context(), "none.sock", append([]string{"capture"}, strings.Fields(line)...)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, says) {
			t.Errorf("capture %s: exit code %d, stderr %q, want %q", line, r.code, r.stderr, says)
		}
	}
}
