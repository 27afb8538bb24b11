//go:build interop

package crypto

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// captured is a datagram, and what the dissector says of it, or nothing if it is not ours:
// type, version, flags, receiver's index, sender's index, queue, counter, and what is wrong.
type captured struct {
	port  layers.UDPPort
	bytes []byte
	want  string
}

var dissected = []string{
	"vxtap.type", "vxtap.version", "vxtap.flags", "vxtap.index", "vxtap.sender", "vxtap.queue", "vxtap.counter", "_ws.expert.message",
}

func capturedPackets(t *testing.T) []captured {
	send := testSendKey(t, AES128GCM, 16, nil, (MaxQueues+1)<<queueShift)
	seal := func(kind byte, queue int, counter uint64, plain string, flags uint16) []byte {
		send.queues[slot(queue, MaxQueues)].sent.Store(counter)
		packet, _ := send.seal(kind, queue, nil, []byte(plain), flags)
		return packet
	}
	message := func(kind byte) []byte {
		return append([]byte{kind, Version, 0, 0, 0xc0, 0xff, 0xee, 0x42}, 1, 0, 0, 0)
	}
	with := func(packet []byte, at int, b byte) []byte { packet[at] = b; return packet }
	plain := append([]byte{8, 0, 0, 0, 0, 0, 42, 0}, make([]byte, 60)...)
	return []captured{
		{4789, seal(TypeData, 0, 0, "frame", 0), "0x40|1|0x0000|0x01020304||0|0|"},
		{4789, seal(TypeData, 15, counterMask-1, "frame", 1), "0x40|1|0x0001|0x01020304||15|72057594037927934|"},
		{4789, seal(TypeData, ControlQueue, 258, "frame", 0), "0x40|1|0x0000|0x01020304||16|258|"},
		{4789, seal(TypeKeepalive, ControlQueue, 3, "", 0), "0x44|1|0x0000|0x01020304||16|3|"},
		{4789, message(TypeInitiation), "0x41|1|0x0000||0xc0ffee42|||"},
		{4789, message(TypeResponse), "0x42|1|0x0000|0xc0ffee42||||"},
		{4789, message(TypeCookie), "0x43|1|0x0000|0xc0ffee42||||"},
		{4789, message(0x47)[:startSize], "0x47|1|0x0000|0xc0ffee42||||"},
		{4789, with(seal(TypeData, 0, 1, "frame", 0), 1, 2), "0x40|2|0x0000|0x01020304||0|1|Unknown version"},
		{4789, seal(TypeData, 0, 2, "frame", 3), "0x40|1|0x0003|0x01020304||0|2|Flags that a receiver refuses"},
		{4789, seal(TypeKeepalive, 0, 3, "", 1), "0x44|1|0x0001|0x01020304||0|3|Flags that a receiver refuses"},
		{4789, with(seal(TypeData, 0, 4, "frame", 0), 8, 17), "0x40|1|0x0000|0x01020304||17|4|No such queue"},
		{4789, seal(TypeData, 0, 5, "", 0)[:Overhead-1], "|||||||Too short"},
		{4789, message(TypeInitiation)[:startSize-1], "|||||||Too short"},
		{8472, seal(TypeData, 1, 6, "frame", 0), "0x40|1|0x0000|0x01020304||1|6|"},
		{4789, plain, ""},
		{5000, seal(TypeData, 1, 7, "frame", 0), ""},
	}
}

// Wireshark, with the dissector, shows the header of every sealed packet on VXLAN's port
// and where it is told to, and plain VXLAN beside them as ever.
func TestDissector(t *testing.T) {
	packets := capturedPackets(t)
	file := writeCapture(t, packets)
	dissect := []string{"-X", "lua_script:../testdata/vxtap.lua", "-d", "udp.port==8472,vxtap"}
	fields := []string{"-T", "fields", "-E", "separator=|", "-E", "occurrence=f"}
	for _, field := range dissected {
		fields = append(fields, "-e", field)
	}
	var want []string
	for _, p := range packets {
		if p.want != "" {
			want = append(want, p.want)
		}
	}
	got := tshark(t, file, append(append(fields, "-Y", "vxtap"), dissect...)...)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for filter, want := range map[string]int{
		"vxlan.flag_i == 1 && vxlan.vni == 42": 1,
		"vxtap && vxlan":                       0,
		"vxtap.flags.partial == 1":             3,
		"vxtap.reply == 1":                     1,
		"vxtap.sealed == 66:72":                0, // "fr": in clear
		"vxtap.tag":                            9,
	} {
		if got := tshark(t, file, append([]string{"-Y", filter}, dissect...)...); len(got) != want {
			t.Errorf("%q matches %d packets, want %d:\n%s", filter, len(got), want, strings.Join(got, "\n"))
		}
	}
	if text := strings.Join(tshark(t, file, append([]string{"-V"}, dissect...)...), "\n"); strings.Contains(text, "Lua Error") {
		t.Errorf("the dissector fails:\n%s", text)
	}
}

// Without the dissector no sealed packet is taken for VXLAN with a network: the I flag of
// the only match is the plain packet's.
func TestSealedIsNoVXLAN(t *testing.T) {
	if got := tshark(t, writeCapture(t, capturedPackets(t)), "-Y", "vxlan.flag_i == 1"); len(got) != 1 {
		t.Errorf("%d packets:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func writeCapture(t *testing.T, packets []captured) string {
	t.Helper()
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(65536, layers.LinkTypeIPv4); err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 9, 0, 1}, DstIP: net.IP{10, 9, 0, 2}}
		udp := &layers.UDP{SrcPort: 50000, DstPort: p.port}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		b := gopacket.NewSerializeBuffer()
		options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(b, options, ip, udp, gopacket.Payload(p.bytes)); err != nil {
			t.Fatal(err)
		}
		info := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}
		if err := w.WritePacket(info, b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "sealed.pcap")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tshark returns the lines that it prints for a capture.
func tshark(t *testing.T, file string, args ...string) []string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "tshark", append([]string{"-n", "-r", file}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.Contains(strings.ToLower(stderr.String()), "lua:") {
		t.Fatalf("tshark %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
