package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

const flagged = crypto.FlagPartialChecksum

// newSealedMerging is a VTEP with a peer, and a second port that keeps what is written to
// it.
func newSealedMerging(t testing.TB, offloads encap.OffloadSet) (*sealedStepped, *mem.Port) {
	t.Helper()
	s := newSealedStepped(t, false, 1)
	p := mem.NewPort(mem.PortConfig{Depth: 8192, Offloads: offloads})
	if err := s.n.AddPort(PortConfig{Name: "merging", MAC: mergingMAC, MTU: 1450, Queues: []Queue{p}}); err != nil {
		t.Fatal(err)
	}
	return s, p
}

// leftPartial returns copies of frames whose checksums are still to be done.
func leftPartial(frames [][]byte) (copies [][]byte) {
	for _, f := range frames {
		c := bytes.Clone(f)
		leave(c, 0)
		copies = append(copies, c)
	}
	return copies
}

// TestSealedTrainsComeAsSuperframes: whether the checksums were left to do or not; and to
// ports that take no superframes, in wire size and complete unless the port completes.
func TestSealedTrainsComeAsSuperframes(t *testing.T) {
	for _, offloads := range []encap.OffloadSet{everyOffload, encap.OffloadCSUM, 0} {
		for _, flags := range []uint16{0, flagged} {
			eachKind(t, func(t *testing.T, c *conversation) {
				s, p := newSealedMerging(t, offloads)
				frames := c.frames(append(equal(39, 1300), 77)...)
				sent := frames
				if flags != 0 {
					sent = leftPartial(frames)
				}
				got := s.receive(t, p, s.far[0].train(t, flags, sent[:20]...), s.far[0].train(t, flags, sent[20:]...))
				want := 40
				if offloads == everyOffload {
					want = 1
				}
				if len(got) != want {
					t.Fatalf("offloads %b, flags %d: %d frames, want %d", offloads, flags, len(got), want)
				}
				for _, f := range got {
					if left := offloads != 0 && (flags != 0 || want == 1); f.Offload.NeedsCSUM != left {
						t.Fatalf("offloads %b, flags %d: a frame with %+v", offloads, flags, f.Offload)
					}
				}
				sameFlows(t, allInWireSize(t, got), frames)
				if in := s.n.Stats().In; in.Forwarded != 40 || in.ForwardedBytes != in.Bytes {
					t.Errorf("counts %+v", in)
				}
			})
		}
	}
}

// TestAFlagThatIsNotTrueChangesNothing: of a frame without such a checksum, or one that
// has none at all. It comes as it was sealed, by itself.
func TestAFlagThatIsNotTrueChangesNothing(t *testing.T) {
	for _, offloads := range []encap.OffloadSet{everyOffload, encap.OffloadCSUM, 0} {
		eachKind(t, func(t *testing.T, c *conversation) {
			s, p := newSealedMerging(t, offloads)
			good := leftPartial(c.frames(equal(8, 500)...))
			bad := bytes.Clone(good[4])
			var l encap.Layers
			l.Parse(bad)
			at := l.L4 + encap.TCPChecksumOffset
			if l.Proto == encap.ProtoUDP {
				at = l.L4 + encap.UDPChecksumOffset
			}
			binary.BigEndian.PutUint16(bad[at:], binary.BigEndian.Uint16(bad[at:])+1)
			odd := [][]byte{
				bad,
				c.next(500), // complete
				steppedFrame(c.dst, c.src, false, 0)[:encap.EthernetSize], // empty
				cutShort(c.next(500), 499),                                // shorter than it says
				cutShort(c.next(500), 0),
			}
			for _, f := range odd {
				if got := s.receive(t, p, encap.Datagram{Data: s.far[0].seal(t, f, flagged)}); len(got) != 1 ||
					got[0].Offload != (encap.Offload{}) || !bytes.Equal(got[0].Data, f) {
					t.Errorf("offloads %b: %d frames with %+v\n got %x\nwant %x", offloads, len(got), got[0].Offload, got[0].Data, f)
				}
			}
			spoilt := append(append(append([][]byte{}, good[:4]...), bad), good[5:]...)
			got := s.receive(t, p, s.far[0].train(t, flagged, spoilt...))
			alone := 0
			for _, f := range got {
				if f.Offload == (encap.Offload{}) && bytes.Equal(f.Data, bad) {
					alone++
				}
			}
			if alone != 1 || offloads == everyOffload && len(got) != 3 {
				t.Errorf("offloads %b: %d frames, %d of them the odd one as it was", offloads, len(got), alone)
			}
		})
	}
}

// cutShort takes bytes off the end of a frame.
func cutShort(frame []byte, payload int) []byte {
	var l encap.Layers
	l.Parse(frame)
	return frame[:l.Payload+payload]
}

// TestWhatOnlyLooksPartialIsNotTouched: without the flag a checksum is complete, right or
// not, and nobody makes a right one of it.
func TestWhatOnlyLooksPartialIsNotTouched(t *testing.T) {
	for _, offloads := range []encap.OffloadSet{everyOffload, encap.OffloadCSUM, 0} {
		eachKind(t, func(t *testing.T, c *conversation) {
			s, p := newSealedMerging(t, offloads)
			frames := leftPartial(c.frames(equal(8, 500)...))
			got := s.receive(t, p, s.far[0].train(t, 0, frames...))
			if len(got) != len(frames) {
				t.Fatalf("offloads %b: %d frames, want %d", offloads, len(got), len(frames))
			}
			for i, f := range got {
				if f.Offload != (encap.Offload{}) || !bytes.Equal(f.Data, frames[i]) {
					t.Errorf("offloads %b: with %+v\n got %x\nwant %x", offloads, f.Offload, f.Data, frames[i])
				}
			}
		})
	}
}

// TestFlaggedAndNotInOneTrain: each frame is taken by its own header's word, whichever comes
// first: complete, flagged, or only looking as if it were to be.
func TestFlaggedAndNotInOneTrain(t *testing.T) {
	for _, offloads := range []encap.OffloadSet{everyOffload, encap.OffloadCSUM, 0} {
		for _, order := range []string{"cffl", "ffl", "lfc", "fc"} {
			eachKind(t, func(t *testing.T, c *conversation) {
				s, p := newSealedMerging(t, offloads)
				frames := c.frames(equal(16, 500)...)
				partials := leftPartial(frames)
				var train encap.Datagram
				for i := range frames {
					var d encap.Datagram
					switch order[i%len(order)] {
					case 'f':
						d = s.far[0].train(t, flagged, partials[i])
					case 'l':
						frames[i] = partials[i] // it is as it should be
						fallthrough
					default:
						d = s.far[0].train(t, 0, frames[i])
					}
					train.Data, train.SegmentSize = append(train.Data, d.Data...), d.SegmentSize
				}
				sameFlows(t, allInWireSize(t, s.receive(t, p, train)), frames)
			})
		}
	}
}

// TestSealedSuperframe: a peer may seal one whole.
func TestSealedSuperframe(t *testing.T) {
	for _, offloads := range []encap.OffloadSet{everyOffload, 0} {
		eachKind(t, func(t *testing.T, c *conversation) {
			s, p := newSealedMerging(t, offloads)
			super := c.next(20000)
			leave(super, 0)
			got := s.receive(t, p, encap.Datagram{Data: s.far[0].seal(t, super, flagged)})
			if c.tcp {
				var payload int
				for _, f := range allInWireSize(t, got) {
					var l encap.Layers
					l.Parse(f)
					payload += l.End - l.Payload
					if encap.VerifyChecksum(f, &l) != encap.ChecksumValid {
						t.Errorf("a segment with a wrong checksum")
					}
				}
				if payload != 20000 {
					t.Errorf("%d bytes of payload came", payload)
				}
				return
			}
			o := finish(super) // a large datagram, which is no superframe
			if offloads == 0 {
				o = encap.Offload{}
			}
			if len(got) != 1 || got[0].Offload != o || !bytes.Equal(inWireSize(t, got[0])[0], super) {
				t.Errorf("%d frames, the first with %+v", len(got), got[0].Offload)
			}
		})
	}
}

// TestCongestionMarksOfSealedPackets: the outer mark comes in, and makes no checksum
// wrong, that was left to do or not.
func TestCongestionMarksOfSealedPackets(t *testing.T) {
	for _, flags := range []uint16{0, flagged} {
		for tos := range uint8(4) {
			t.Run(fmt.Sprintf("flags=%d,inner=%d", flags, tos), func(t *testing.T) {
				eachKind(t, func(t *testing.T, c *conversation) {
					s, p := newSealedMerging(t, everyOffload)
					c.tos = tos
					frames := c.frames(equal(8, 500)...)
					if flags != 0 {
						frames = leftPartial(frames)
					}
					d := s.far[0].train(t, flags, frames...)
					d.TOS = uint8(encap.CE)
					got := allInWireSize(t, s.receive(t, p, d))
					if tos == 0 { // not ECN-capable: lost, as it would have been
						if len(got) != 0 || s.n.Stats().In.Drops[DropECN] != 8 {
							t.Errorf("%d frames, counts %+v", len(got), s.n.Stats().In)
						}
						return
					}
					if len(got) != 8 {
						t.Fatalf("%d frames", len(got))
					}
					for _, f := range got {
						var l encap.Layers
						l.Parse(f)
						inner, _ := encap.InnerTOS(f, &l)
						if encap.ECNOf(inner) != encap.CE || encap.VerifyChecksum(f, &l) != encap.ChecksumValid {
							t.Errorf("TOS %d: %x", inner, f)
						}
					}
				})
			})
		}
	}
}
