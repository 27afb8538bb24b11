package underlay_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// eachGroup runs a test with groups of queues, of sizes that divide the 17 numbers a
// sender's queues can have evenly and unevenly.
func eachGroup(t *testing.T, test func(t *testing.T, config underlay.Config, n int)) {
	for _, local := range []netip.Addr{v4, v6} {
		for _, n := range []int{2, 3, 4, underlay.MaxQueues} {
			t.Run(fmt.Sprintf("%v/%d", local, n), func(t *testing.T) {
				test(t, underlay.Config{Local: netip.AddrPortFrom(local, 0)}, n)
			})
		}
	}
}

// sealed is a header of some type from a queue, and something behind it.
func sealed(kind, queue byte) []byte {
	b := make([]byte, encap.SealedSize+20)
	b[0], b[encap.SealedQueueOffset] = kind, queue
	for i := range b[encap.SealedQueueOffset+1:] {
		b[encap.SealedQueueOffset+1+i] = 0xff - queue // what must not decide
	}
	return b
}

// sendFromAll sends each payload from every source port of some sockets, and returns how
// many datagrams that were.
func sendFromAll(t *testing.T, from []*underlay.Socket, to netip.AddrPort, payloads ...[]byte) (sent int) {
	t.Helper()
	for _, s := range from {
		for source := range s.Sources() {
			for _, p := range payloads {
				send(t, s, encap.Datagram{Data: p, Remote: to, Source: uint8(source)})
				sent++
			}
		}
	}
	return sent
}

// Sealed data comes to the queue with the sender's number, from wherever it comes.
func TestSealedDataIsSteered(t *testing.T) {
	eachGroup(t, func(t *testing.T, config underlay.Config, n int) {
		queues := openQueues(t, config, n)
		for _, q := range queues {
			if !inForce(t, q, underlay.FeatureSteering) {
				t.Error("steering is not in force")
			}
		}
		senders := openQueues(t, config, 2)
		var payloads [][]byte
		for queue := range byte(17) {
			payloads = append(payloads, sealed(encap.SealedData, queue), sealed(encap.SealedKeepalive, queue))
		}
		payloads = append(payloads, sealed(encap.SealedData, 255), sealed(encap.SealedData, 16)[:9])
		sent := sendFromAll(t, senders, queues[0].Local(), payloads...)
		for i, arrived := range collect(t, queues, sent) {
			for _, d := range arrived {
				if queue := d.Data[8]; int(queue)%n != i {
					t.Fatalf("type %#x of queue %d came to %d of %d", d.Data[0], queue, i, n)
				}
			}
		}
	})
}

// A train comes in one piece to the queue of its first datagram.
func TestSealedTrainsAreSteered(t *testing.T) {
	eachGroup(t, func(t *testing.T, config underlay.Config, n int) {
		const length = 5
		queues, from := openQueues(t, config, n), open(t, config)
		for queue := range byte(17) {
			one := sealed(encap.SealedData, queue)
			for source := range from.Sources() {
				send(t, from, encap.Datagram{
					Data: one, More: slices.Repeat([][]byte{one}, length-1), SegmentSize: uint16(len(one)),
					Remote: queues[0].Local(), Source: uint8(source),
				})
			}
		}
		for i, arrived := range collect(t, queues, 17*from.Sources()) {
			for _, d := range arrived {
				if queue := d.Data[8]; int(queue)%n != i {
					t.Fatalf("a train of queue %d came to %d of %d", queue, i, n)
				}
				if d.SegmentSize == 0 || len(d.Data) != length*int(d.SegmentSize) {
					t.Fatalf("%d bytes, segments of %d: not a train of %d", len(d.Data), d.SegmentSize, length)
				}
			}
		}
	})
}

// Handshakes come to the first queue, whatever they hold where data has its counter, and
// so does what is too short to be steered.
func TestHandshakesComeToTheFirstQueue(t *testing.T) {
	eachGroup(t, func(t *testing.T, config underlay.Config, n int) {
		queues := openQueues(t, config, n)
		payloads := [][]byte{{}, {encap.SealedData}, sealed(encap.SealedData, 1)[:8], {encap.SealedResponse}}
		for b := range byte(17) {
			for _, kind := range []byte{encap.SealedInitiation, encap.SealedResponse, encap.SealedCookie} {
				payloads = append(payloads, sealed(kind, b))
			}
		}
		sent := sendFromAll(t, []*underlay.Socket{open(t, config)}, queues[0].Local(), payloads...)
		for i, arrived := range collect(t, queues, sent) {
			if i != 0 && len(arrived) != 0 {
				t.Errorf("%d datagrams came to queue %d of %d, the first %x", len(arrived), i, n, arrived[0].Data)
			}
		}
	})
}

// All else goes by the flow: one flow to one queue, whatever it carries, and to each queue
// some.
func TestPlainTrafficIsNotSteered(t *testing.T) {
	eachGroup(t, func(t *testing.T, config underlay.Config, n int) {
		queues := openQueues(t, config, n)
		var senders []*underlay.Socket
		for range 2 {
			senders = append(senders, openQueues(t, config, underlay.MaxQueues)...)
		}
		var payloads [][]byte
		for _, first := range []byte{0x08, 0x00, 0x3f, 0x45, 0x47, 0x48, 0xff} {
			payloads = append(payloads, sealed(first, 0), sealed(first, 1))
		}
		payloads = append(payloads, []byte{0x08}) // too short for a queue
		sent := sendFromAll(t, senders, queues[0].Local(), payloads...)
		owner := map[uint16]int{}
		for i, arrived := range collect(t, queues, sent) {
			if len(arrived) == 0 {
				t.Errorf("queue %d of %d received nothing", i, n)
			}
			for _, d := range arrived {
				flow := d.Remote.Port()
				if first, seen := owner[flow]; seen && first != i {
					t.Fatalf("flow %d came to queues %d and %d of %d", flow, first, i, n)
				}
				owner[flow] = i
			}
		}
	})
}

// One queue has nothing to steer, and does not claim to.
func TestOneQueueHasNoSteering(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		for _, f := range open(t, s.config()).Features() {
			if f.Name == underlay.FeatureSteering {
				t.Errorf("listed: %v", f)
			}
		}
	})
}
