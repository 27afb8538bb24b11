package dataplane

import (
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// Frames that are too big cost no memory, answered or not.
func TestTooBigIsAnsweredWithoutAllocation(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		s := newStepped(t, ipv6, 1)
		for l := range lanes([]*Network{s.n}) {
			l.path.mtu.Store(1400)
		}
		big := steppedFrame(remoteMAC, steppedMAC, ipv6, 1450)
		if ip := big[encap.EthernetSize:]; ipv6 {
			encap.IPv6(ip).SetSrc([16]byte{0xfd, 15: 1})
			encap.IPv6(ip).SetDst([16]byte{0xfd, 15: 2})
		} else {
			encap.IPv4(ip).SetDontFragment()
			encap.IPv4(ip).SetSrc([4]byte{10, 0, 0, 1})
			encap.IPv4(ip).SetDst([4]byte{10, 0, 0, 2})
		}
		s.first.Repeat([]encap.Frame{{Data: big}}, 1<<40)
		noAllocs(t, s.stepOut)
		s.conserved(t)
		if out := s.n.Stats().Out; out.Drops[DropTooBig] != out.Frames || out.Answers != maxAnswers {
			t.Errorf("%d of %d frames were too big, %d answers", out.Drops[DropTooBig], out.Frames, out.Answers)
		}
	}
}
