//go:build interop

package pcapfilter_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	file := written(t, all)
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

// written writes packets to a file, each at the time of its number.
func written(t *testing.T, all []packet) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "packets.pcap")
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, p := range all {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p.data), Length: len(p.data)}
		if err := w.WritePacket(info, p.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// Sums made up at random are what tcpdump makes of them.
func TestTcpdumpAgreesOnNumbers(t *testing.T) {
	all := packets(t)
	file := written(t, all)
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 150 {
		expression := "(" + sum(rng, 4, true) + ") " + pick(rng, "=", "!=", "<", "<=", ">", ">=") + " " + sum(rng, 3, true)
		f, err := pcapfilter.Compile(expression, pcapfilter.Ethernet)
		want, failed := run(t, file, expression)
		if err != nil || failed != nil {
			for _, e := range []error{err, failed} {
				if e != nil && !nothing.MatchString(e.Error()) {
					t.Errorf("%q: %v", expression, e)
				}
			}
			refused++
			continue
		}
		for i, p := range all {
			if got := f.Match(p.data); got != want[i] {
				t.Errorf("%q, packet %d (%s): %t, to tcpdump %t", expression, i, p.name, got, want[i])
				break
			}
		}
	}
	if refused > 50 {
		t.Errorf("%d of 150 were refused", refused)
	}
}

// nothing is why there is no such number, which tcpdump sees in other expressions than we do.
var nothing = regexp.MustCompile("by zero|31 bits|rejects all packets")

// sum is one that can be made of the packets, with so many operators at most. To the right of
// an operator libpcap reads from any packet as if it were of the protocol that is named there,
// which its manual knows nothing of, and neither do we: nothing that asks for one stands there.
func sum(rng *rand.Rand, operators int, left bool) string {
	if operators == 0 || rng.IntN(5) == 0 {
		leaves := []string{"len", "3", "0x10", "1", "255", "tcp-syn", "icmp-echo", "tcpflags", "ether[5]", "ether[12:2]"}
		if left {
			leaves = append(leaves, "ip[0]", "ip[8]", "ip[2:2]", "ip[12:4]", "tcp[tcpflags]", "tcp[2:2]", "tcp[4:4]", "udp[1]", "icmp[icmptype]", "ip6[6]")
		}
		return pick(rng, leaves...)
	}
	first := rng.IntN(operators)
	a, b := sum(rng, first, left), sum(rng, operators-1-first, false)
	switch rng.IntN(4) {
	case 0:
		return "(" + a + " " + pick(rng, "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>") + " " + b + ")"
	case 1:
		return "- " + a
	}
	return a + " " + pick(rng, "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>") + " " + b
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// Names of numbers are those of tcpdump.
func TestTcpdumpNames(t *testing.T) {
	file := written(t, packets(t))
	for name, value := range pcapfilter.Constants {
		if taken, err := run(t, file, fmt.Sprintf("%s = %d", name, value)); err != nil || len(taken) == 0 {
			t.Errorf("%s is not %d: %v", name, value, err)
		}
	}
}

// tcpdump returns the numbers of the packets that it takes.
func tcpdump(t *testing.T, file, expression string) map[int]bool {
	t.Helper()
	taken, err := run(t, file, expression)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

// run is tcpdump, which may refuse an expression.
func run(t *testing.T, file, expression string) (map[int]bool, error) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("tcpdump", append([]string{"-n", "-r", file, "-w", "-"}, strings.Fields(expression)...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tcpdump %s: %w: %s", expression, err, &stderr)
	}
	taken := map[int]bool{}
	if len(out) == 0 {
		return taken, nil
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, info, err := r.ReadPacketData()
		if err != nil {
			return taken, nil
		}
		taken[int(info.Timestamp.Unix())] = true
	}
}
