//go:build linux && interop

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// What vxtap puts on the wire is VXLAN to tshark, with every checksum right.
func TestTshark(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		for _, f := range families {
			t.Run("offload "+driver+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				// Without offloads each packet is seen as it would be on a cable.
				link := netlab.LinkConfig{Underlay: netlab.Bare, Offloads: map[string]bool{"tx-checksum-ip-generic": false}}
				a, b, _ := startPair(t, f, link, "--offload", driver)
				sent := wire(t, a)
				for _, dst := range []string{innerB, innerB6} {
					ping(t, a, dst)
					datagramsArrive(t, a, b, dst, 1, 1400, 8972)
					trainArrives(t, a, b, dst, 10*1000+1, 1000)
					for range 10 { // flows, each from a port of its own
						datagramsArrive(t, a, b, dst, 100)
					}
					_, err := netlab.Transfer(within(t), a, b, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Bytes: 1 << 20})
					check(t, err)
				}
				check(t, sent.Close())
				file := writePCAP(t, sent)

				total := len(tshark(t, file, "frame"))
				vxlan := fmt.Sprintf("udp.dstport == 4789 && vxlan.flag_i == 1 && vxlan.vni == 42 && vxlan.flags_reserved == 0 && vxlan.flag_g == 0 && vxlan.gbp == 0 && vxlan.reserved8 == 0 && ipv6.src == %s", f.a)
				if ip(f.a).Is4() {
					vxlan = strings.Replace(vxlan, "ipv6.src", "ip.src", 1)
				}
				if n := len(tshark(t, file, vxlan)); n != total || n < 1000 {
					t.Errorf("of %d packets, %d are VXLAN of network 42", total, n)
				}
				for _, wrong := range []string{
					"_ws.malformed", "_ws.expert.severity == error",
					"ip.checksum.status == Bad", "udp.checksum.status == Bad",
					// Where the kernel finishes a checksum, TCP may have the other form of 0.
					"tcp.checksum.status == Bad && !(tcp.checksum == 0xffff)",
				} {
					if lines := tshark(t, file, wrong, nobodysPorts...); len(lines) > 0 {
						t.Errorf("%s in %d packets of %d, first\n%s", wrong, len(lines), total, lines[0])
					}
				}
				ports := map[string]bool{}
				for _, line := range tshark(t, file, "udp.length == 108", "-T", "fields", "-E", "occurrence=f", "-e", "udp.srcport") {
					ports[line] = true
				}
				if len(ports) < 2 {
					t.Errorf("ten flows of each family leave from %v", slices.Sorted(maps.Keys(ports)))
				}
			})
		}
	}
}

// nobodysPorts has tshark read no protocol into the ports that sockets of the test were given:
// 34962 would be PROFINET. Those of vxtap's own datagrams are above.
var nobodysPorts = []string{"-d", "udp.port==32768-49151,data", "-d", "tcp.port==32768-49151,data"}

func writePCAP(t *testing.T, c *netlab.Capture) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wire.pcap")
	file, err := os.Create(path)
	check(t, err)
	w := pcapgo.NewWriterNanos(file)
	check(t, w.WriteFileHeader(encap.MaxFrame, layers.LinkTypeEthernet))
	for _, f := range c.Frames() {
		check(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: f.Time, CaptureLength: len(f.Data), Length: len(f.Data)}, f.Data))
	}
	check(t, file.Close())
	return path
}

// tshark returns a line for each packet of a capture that a display filter likes.
func tshark(t *testing.T, file, filter string, args ...string) []string {
	t.Helper()
	args = append([]string{
		"-n", "-r", file, "-Y", filter,
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
	}, args...)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(within(t), "tshark", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return slices.Collect(strings.Lines(string(out)))
}

// Somebody else's program measures, both ways at once, with several flows.
func TestIperf3(t *testing.T) {
	t.Parallel()
	a, b, v := startPair(t, families[0], netlab.LinkConfig{})
	startIperf3(t, b, innerB)
	var stdout bytes.Buffer
	client := exec.CommandContext(within(t), "iperf3", "-c", innerB, "-t", "3", "-P", "4", "--bidir", "-J")
	client.Stdout = &stdout
	check(t, a.Start(client))
	if err := client.Wait(); err != nil {
		t.Fatalf("iperf3: %v: %s", err, &stdout)
	}
	type sum struct {
		Bytes int64 `json:"bytes"`
	}
	var report struct {
		End struct {
			There sum `json:"sum_received"`
			Back  sum `json:"sum_received_bidir_reverse"`
		} `json:"end"`
	}
	check(t, json.Unmarshal(stdout.Bytes(), &report))
	if end := report.End; end.There.Bytes < 1<<20 || end.Back.Bytes < 1<<20 {
		t.Errorf("%d bytes there and %d back", end.There.Bytes, end.Back.Bytes)
	}
	nothingLost(t, v)
	noChecksumErrors(t, a, b)
}

// startIperf3 starts a server for one test, and waits until it listens.
func startIperf3(t *testing.T, h *netlab.Host, addr string) {
	t.Helper()
	server := exec.CommandContext(within(t), "iperf3", "-s", "-1", "-B", addr, "--forceflush")
	stdout, err := server.StdoutPipe()
	check(t, err)
	check(t, h.Start(server))
	lines := bufio.NewScanner(stdout)
	for listening := false; !listening; {
		if !lines.Scan() {
			t.Fatalf("iperf3 does not listen: %v, %v", lines.Err(), server.Wait())
		}
		listening = strings.Contains(lines.Text(), "listening")
	}
	t.Cleanup(func() {
		_ = server.Process.Kill() // if it has not ended
		_ = server.Wait()
	})
}
