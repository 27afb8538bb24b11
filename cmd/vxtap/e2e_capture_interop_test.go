//go:build linux && interop

package main

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// tshark reads a capture of all stages: interfaces, directions, reasons for drops, and
// checksums of the outer headers.
func TestTsharkReadsCaptures(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			a, b, v := startPair(t, f, netlab.LinkConfig{})
			file := filepath.Join(t.TempDir(), "capture.pcapng")
			c := v.startCapture(a, "--stage", "tap", "--stage", "wire", "--stage", "dropped", "-w", file)
			ping(t, a, innerB)
			check(t, b.Do(func() error {
				conn, err := net.Dial("udp", net.JoinHostPort(f.a, "4789"))
				if err != nil {
					return err
				}
				_, err = conn.Write(make([]byte, 100))
				return errors.Join(err, conn.Close())
			}))
			eventually(t, "a stray packet is counted", func() bool { return v.stray().Drops["no_vni_flag"] > 0 })
			c.interrupt()
			for _, filter := range []string{
				`icmp && frame.interface_name == "vx42" && frame.packet_flags_direction == 2`,
				`icmp && frame.interface_name == "wire" && vxlan.vni == 42 && frame.packet_flags_direction == 1`,
				`frame.interface_name == "dropped" && frame.comment contains "dropped: no_vni_flag, from "`,
			} {
				if lines := tshark(t, file, filter); len(lines) == 0 {
					t.Errorf("no packet with %s", filter)
				}
			}
			for _, wrong := range []string{
				`_ws.malformed && frame.interface_name != "dropped"`, "ip.checksum.status == Bad",
				`frame.interface_name == "wire" && udp.checksum.status == Bad`,
			} {
				if lines := tshark(t, file, wrong); len(lines) > 0 {
					t.Errorf("%s: %d packets, as %s", wrong, len(lines), slices.Min(lines))
				}
			}
		})
	}
}
