package encap

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// sameSum fails the test unless both ways to add up blocks agree.
func sameSum(t rapid.TB, b []byte) {
	t.Helper()
	fast, portable := sumBlocks(b), sumBlocksPortable(b)
	if fast%0xffff != portable%0xffff || (fast == 0) != (portable == 0) || fast>>48 != 0 || portable>>48 != 0 {
		t.Fatalf("%d bytes: %#x, and portably %#x", len(b), fast, portable)
	}
}

func TestSumBlocksAgainstPortable(t *testing.T) {
	for _, fill := range []byte{0x00, 0x01, 0x80, 0xff} {
		for n := 0; n <= 1<<17; n = 2*n + sumBlock {
			sameSum(t, bytes.Repeat([]byte{fill}, n))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := sumBlock * rapid.IntRange(0, 20).Draw(t, "blocks")
		from := rapid.IntRange(0, 20).Draw(t, "alignment")
		b := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "bytes"), 1400)
		sameSum(t, b[from:from+n])
	})
}

// FuzzSumBlocks: any bytes.
func FuzzSumBlocks(f *testing.F) {
	f.Add(make([]byte, 128))
	f.Add(bytes.Repeat([]byte{0xff}, 192))
	f.Fuzz(func(t *testing.T, b []byte) { sameSum(t, b[:len(b)&^(sumBlock-1)]) })
}

func BenchmarkSumBlocks(b *testing.B) {
	for name, sum := range map[string]func([]byte) uint64{"fast": sumBlocks, "portable": sumBlocksPortable} {
		for _, n := range []int{64, 1408, 65536} {
			data := bytes.Repeat([]byte{1, 2, 3, 4}, n/4)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					sum(data)
				}
			})
		}
	}
}
