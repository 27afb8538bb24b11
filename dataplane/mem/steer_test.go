package mem_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// arrivedAt sends d and returns which of queues it came to.
func arrivedAt(t *testing.T, from *mem.Underlay, queues []*mem.Underlay, d encap.Datagram) int {
	t.Helper()
	send(t, from, d)
	in := []encap.Datagram{{}, {}}
	for i, q := range queues {
		in[0].Data, in[1].Data = make([]byte, 2000), make([]byte, 2000)
		if n, _ := q.Poll(in); n == 1 {
			return i
		}
	}
	t.Fatalf("%x came to no queue", d.Data)
	return 0
}

// Shared queues are steered as package underlay has the kernel do it: see its tests of the
// same cases.
func TestSharedQueuesAreSteered(t *testing.T) {
	data := func(kind, queue byte) []byte {
		b := ether(40, 0xee)
		b[0], b[8] = kind, queue
		return b
	}
	for _, n := range []int{2, 3, 4, 16} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			net := mem.NewNetwork(mem.Impairments{KeepTrains: true}, 1)
			a := listen(t, net, addrA, mem.UnderlayConfig{Sources: 16})
			var queues []*mem.Underlay
			for range n {
				queues = append(queues, listen(t, net, addrB, mem.UnderlayConfig{Shared: true}))
			}
			check := func(payload []byte, want int) {
				t.Helper()
				for source := range uint8(16) {
					// Gathered in any way, it is the same payload.
					cut := min(len(payload), int(source))
					d := encap.Datagram{Data: payload[:cut], More: [][]byte{nil}, Remote: addrB, Source: source}
					d.More = slices.AppendSeq(d.More, slices.Chunk(payload[cut:], 3))
					if got := arrivedAt(t, a, queues, d); got != want {
						t.Fatalf("%x from source %d came to queue %d, want %d", payload, source, got, want)
					}
				}
			}
			for queue := range byte(17) {
				check(data(encap.SealedData, queue), int(queue)%n)
				check(data(encap.SealedKeepalive, queue), int(queue)%n)
				check(data(encap.SealedData, queue)[:9], int(queue)%n)
				check(data(encap.SealedInitiation, queue), 0)
				check(data(encap.SealedResponse, queue), 0)
				check(data(encap.SealedCookie, queue), 0)
				check(data(encap.SealedData, queue)[:8], 0)
				train := encap.Datagram{Data: data(encap.SealedData, queue), SegmentSize: 20, Remote: addrB}
				if got := arrivedAt(t, a, queues, train); got != int(queue)%n {
					t.Errorf("a train of queue %d came to %d", queue, got)
				}
			}
			check(nil, 0)

			spread := map[int]bool{}
			for source := range uint8(16) {
				first := arrivedAt(t, a, queues, encap.Datagram{Data: data(0x08, 0), Remote: addrB, Source: source})
				spread[first] = true
				for _, other := range []byte{0x00, 0x3f, 0x45, 0x47, 0x48} {
					d := encap.Datagram{Data: data(other, source), Remote: addrB, Source: source}
					if got := arrivedAt(t, a, queues, d); got != first {
						t.Errorf("source %d: first byte %#x came to queue %d, a plain frame to %d", source, other, got, first)
					}
				}
			}
			if len(spread) < 2 {
				t.Error("all plain flows came to one queue")
			}
		})
	}
}
