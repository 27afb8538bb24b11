package encap_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// TestCoalesceNeverPanics: not even if a caller claims the wrong things.
func TestCoalesceNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c encap.Coalescer
		for range 3 {
			f := spoilt(t)
			var l encap.Layers
			l.Parse(f)
			state := encap.ChecksumState(rapid.IntRange(0, 5).Draw(t, "state"))
			if !c.Join(f, &l, state) {
				c.Begin(f, &l, state)
			}
			c.Last()
			c.Finish()
		}
	})
}

// spoilt is a frame of some kind with a few bytes of its headers changed.
func spoilt(t *rapid.T) []byte {
	p := rapid.SampledFrom(packetKinds()).Draw(t, "kind")
	p.payload = payloadOf(rapid.IntRange(0, 50).Draw(t, "payload"))
	f, _ := p.frame(t)
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		spoil(t, f)
	}
	return f[:rapid.IntRange(0, len(f)).Draw(t, "length")]
}

// spoil changes a byte of frame, if it has any.
func spoil(t *rapid.T, frame []byte) {
	if len(frame) > 0 {
		frame[rapid.IntRange(0, len(frame)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "bits")
	}
}

// TestCoalesceLaw: trains with frames lost, doubled, swapped, spoilt, cut short.
func TestCoalesceLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(packetKinds()).Draw(t, "kind")
		p.id, p.seq = rapid.Uint16().Draw(t, "id"), rapid.Uint32().Draw(t, "seq")
		frames := p.train(t, rapid.IntRange(1, 20).Draw(t, "n"), 30, rapid.IntRange(1, 30).Draw(t, "last"))
		for range rapid.IntRange(0, 4).Draw(t, "mishaps") {
			i := rapid.IntRange(0, len(frames)-1).Draw(t, "i")
			j := rapid.IntRange(0, len(frames)-1).Draw(t, "j")
			switch rapid.IntRange(0, 4).Draw(t, "mishap") {
			case 0:
				frames[i], frames[j] = frames[j], frames[i]
			case 1:
				frames = slices.Insert(frames, i, bytes.Clone(frames[j]))
			case 2:
				spoil(t, frames[i])
			case 3:
				spoil(t, frames[i])
				refit(frames[i])
			case 4:
				frames = slices.Insert(frames, i, spoilt(t))
			}
		}
		lawful(t, frames)
	})
}

// FuzzCoalesce: the law for any bytes, taken as frames of a length that they give.
func FuzzCoalesce(f *testing.F) {
	for _, p := range packetKinds() {
		var data []byte
		for _, frame := range p.train(f, 3, 40, 10) {
			data = append(append(data, byte(len(frame))), frame...)
		}
		f.Add(data)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fit := range []bool{false, true} {
			var frames [][]byte
			for rest := data; len(rest) > 0 && len(frames) < 70; {
				n := min(int(rest[0]), len(rest)-1)
				frame := bytes.Clone(rest[1 : 1+n])
				if rest = rest[1+n:]; fit {
					refit(frame)
				}
				frames = append(frames, frame)
			}
			lawful(t, frames)
		}
	})
}

// TestCoalesceDoesNotAllocate: a full superframe, again and again.
func TestCoalesceDoesNotAllocate(t *testing.T) {
	for _, p := range joinableKinds() {
		frames := p.train(t, 40, 100, 100)
		spare := make([]byte, len(frames[0]))
		var c encap.Coalescer
		var l encap.Layers
		n := testing.AllocsPerRun(10, func() {
			copy(spare, frames[0])
			l.Parse(spare)
			c.Begin(spare, &l, encap.VerifyChecksum(spare, &l))
			for _, f := range frames[1:] {
				l.Parse(f)
				if !c.Join(f, &l, encap.VerifyChecksum(f, &l)) {
					t.Fatal("not joined")
				}
			}
			c.Finish()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", p.name, n)
		}
	}
}

func BenchmarkCoalesce(b *testing.B) {
	for _, size := range []int{18, 1400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frames := packet{v6: true, udp: true}.train(b, 40, size, size)
			spare := make([]byte, len(frames[0]))
			var c encap.Coalescer
			var l encap.Layers
			for b.Loop() {
				copy(spare, frames[0])
				l.Parse(spare)
				c.Begin(spare, &l, encap.ChecksumValid)
				for _, f := range frames[1:] {
					l.Parse(f)
					c.Join(f, &l, encap.ChecksumValid)
				}
				c.Finish()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
		})
	}
}
