package dataplane

import (
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// FuzzDatagram hands any datagram to an in-worker with ports of several kinds: nothing
// may panic, and every frame must have one fate.
func FuzzDatagram(f *testing.F) {
	super := steppedFrame(encap.Broadcast, nobodyMAC, false, 3000)
	superOffload(super, 1000)
	super6 := steppedFrame(steppedMAC, nobodyMAC, true, 3000)
	superOffload(super6, 1000)
	one := vxlanOf(steppedFrame(steppedMAC, remoteMAC, false, 50))
	f.Add(one, uint8(0), uint16(0))
	f.Add(append(append([]byte{}, one...), one...), uint8(3), uint16(len(one)))
	f.Add(vxlanOf(super), uint8(1), uint16(1000))
	f.Add(vxlanOf(super), uint8(0), uint16(1))
	f.Add(vxlanOf(super6), uint8(0xff), uint16(0))
	f.Add(one[:20], uint8(0), uint16(7))

	s := newStepped(f, false, 1)
	s.addPort(f, "second", secondMAC, 0)
	s.addPort(f, "third", encap.MAC{}, encap.OffloadCSUM)
	remote := s.n.Remotes()[0]
	f.Fuzz(func(t *testing.T, data []byte, tos uint8, segment uint16) {
		d := &s.in.dgrams[0]
		n := copy(d.Data, data)
		*d = encap.Datagram{Data: d.Data[:n], Remote: remote, TOS: tos, SegmentSize: segment, Truncated: n < len(data)}
		s.in.batch(1)
		s.v.learnSightings()
		s.conserved(t)
		s.n.Flush(FlushFilter{}) // so that one input means the same each time
		if err := s.n.AddEntry(remoteMAC, remote); err != nil {
			t.Fatal(err)
		}
	})
}
