//go:build interop

package pcapfilter_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/vxtap/vxtap/control/pcapfilter"
)

// Every expression means to us what it means to tcpdump.
func TestTcpdumpAgrees(t *testing.T) {
	all := packets(t)
	file := filepath.Join(t.TempDir(), "packets.pcap")
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, p := range all { // the time is the packet's number
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p.data), Length: len(p.data)}
		if err := w.WritePacket(info, p.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, expression := range expressions {
		want := tcpdump(t, file, expression)
		f := compile(t, expression, pcapfilter.Ethernet)
		for i, p := range all {
			if got := f.Match(p.data); got != want[i] {
				t.Errorf("%q, packet %d (%s, %x): %t, to tcpdump %t", expression, i, p.name, p.data[:min(len(p.data), 60)], got, want[i])
			}
		}
	}
}

// tcpdump returns the numbers of the packets that it takes.
func tcpdump(t *testing.T, file, expression string) map[int]bool {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("tcpdump", append([]string{"-n", "-r", file, "-w", "-"}, strings.Fields(expression)...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump %s: %v: %s", expression, err, &stderr)
	}
	taken := map[int]bool{}
	if len(out) == 0 {
		return taken
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, info, err := r.ReadPacketData()
		if err != nil {
			return taken
		}
		taken[int(info.Timestamp.Unix())] = true
	}
}
