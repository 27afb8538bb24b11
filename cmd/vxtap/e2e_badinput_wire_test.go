//go:build linux

package main

import (
	"encoding/binary"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// Whatever comes in on the UDP port, vxtap goes on, and each datagram is counted once,
// by the name of what is wrong with it.
func TestBadDatagrams(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			silence(t, a)
			v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--offload", driver)
			inside := delivered(t, a, "vx42")
			f := newForeigner(t, b, "10.9.0.1")
			good := encap.MAC{2, 0, 0, 0, 0, 9}
			var stray, in api.Direction
			stray.Drops, in.Drops = map[string]uint64{}, map[string]uint64{}

			f.everyLength(good, &stray, &in)
			f.wrongHeaders(good, &stray)
			f.wrongSources(encap.MAC(hardwareAddr(t, a, "vx42")), &in)
			f.send(42, 0, frame(broadcast, good, label("last")))
			in.Frames++
			in.Forwarded++

			waitFor(t, inside, label("last"))
			var gotStray, gotIn api.Direction
			eventually(t, "all datagrams are counted", func() bool {
				gotStray, gotIn = v.stray(), v.stats().In
				return gotStray.Frames >= stray.Frames && gotIn.Frames >= in.Frames
			})
			sameCounts(t, "of no network", gotStray, stray)
			sameCounts(t, "of the network", gotIn, in)
			// The kernel itself drops frames that end before the type behind their VLAN tag.
			const cutTags = 6
			if n := len(inside.Frames()); n != int(in.Forwarded)-cutTags {
				t.Errorf("%d frames were delivered, %d and %d cut in their tag counted", n, in.Forwarded-cutTags, cutTags)
			}
			v.waitLearned(good, "10.9.0.2")
			if n := len(v.table()); n != 2 {
				t.Errorf("of bad frames something was learned: %v", v.table())
			}
		})
	}
}

// everyLength sends all beginnings of 0 to 60 bytes of a good packet: of one of no
// protocol, and of one whose IP and TCP headers say more than there is.
func (f *foreigner) everyLength(src encap.MAC, stray, in *api.Direction) {
	nothing := frame(broadcast, src, make([]byte, 60))
	tcp := append(broadcast[:], src[:]...)
	tcp = append(tcp, 0x81, 0x00, 0x00, 0x07, 0x08, 0x00) // a VLAN tag, IPv4
	tcp = append(tcp, 0x4f, 0x00, 0x05, 0xdc, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
	tcp = append(tcp, make([]byte, 40)...)
	for _, whole := range [][]byte{nothing, tcp} {
		packet := vxlanPacket(1<<59|42<<8, whole)
		for n := range 61 {
			f.write(packet[:n])
			switch {
			case n < encap.VXLANSize:
				refuse(stray, "no_header")
			case n < encap.VXLANSize+encap.EthernetSize:
				refuse(in, "runt")
			default:
				in.Frames++
				in.Forwarded++
			}
		}
	}
}

// wrongHeaders sends good frames behind headers that are of no network here.
func (f *foreigner) wrongHeaders(src encap.MAC, stray *api.Direction) {
	const flagI = 1 << 59
	whole := frame(broadcast, src, label("wrong header"))
	for header, why := range map[uint64]string{
		0:                           "no_vni_flag",
		42 << 8:                     "no_vni_flag",
		^uint64(flagI):              "no_vni_flag",
		0x40<<56 | 42<<8:            "no_vni_flag",
		flagI:                       "unknown_vni",
		flagI | 43<<8:               "unknown_vni",
		flagI | 0xffffff<<8:         "unknown_vni",
		flagI | 0x80<<56 | 43<<8:    "unknown_vni",
		flagI | 42<<16:              "unknown_vni",
		flagI | (42<<8|1<<31)&^0xff: "unknown_vni",
	} {
		f.write(vxlanPacket(header, whole))
		refuse(stray, why)
	}
}

// wrongSources sends frames from MACs that no frame from a tunnel can come from.
func (f *foreigner) wrongSources(ours encap.MAC, in *api.Direction) {
	for src, why := range map[encap.MAC]string{
		{}:                    "invalid_source",
		{1, 0, 0x5e, 0, 0, 1}: "invalid_source",
		{0x33, 0x33, 0, 0, 1}: "invalid_source",
		{3}:                   "invalid_source",
		broadcast:             "invalid_source",
		ours:                  "loop",
	} {
		f.send(42, 0, frame(broadcast, src, label("wrong source")))
		refuse(in, why)
	}
}

// refuse expects one datagram more that is dropped.
func refuse(d *api.Direction, why string) {
	d.Frames++
	d.Dropped++
	d.Drops[why]++
}

func sameCounts(t *testing.T, what string, got, want api.Direction) {
	t.Helper()
	if got.Frames != want.Frames || got.Forwarded != want.Forwarded || got.Dropped != want.Dropped {
		t.Errorf("%s: %d frames = %d forwarded + %d dropped, want %d = %d + %d", what,
			got.Frames, got.Forwarded, got.Dropped, want.Frames, want.Forwarded, want.Dropped)
	}
	for why, n := range got.Drops {
		if n != want.Drops[why] {
			t.Errorf("%s: %d dropped as %s, want %d", what, n, why, want.Drops[why])
		}
	}
}

func vxlanPacket(header uint64, frame []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, header), frame...)
}

// write sends a datagram as it is, also one of no bytes.
func (f *foreigner) write(b []byte) {
	f.t.Helper()
	_, err := f.conn.Write(b)
	check(f.t, err)
}
