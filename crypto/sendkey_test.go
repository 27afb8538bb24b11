package crypto

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// The packet is appended, of the size that it should have, and not clear text.
func TestSealAppends(t *testing.T) {
	for _, suite := range []Suite{AES128GCM, AES256GCM} {
		k := testSendKey(t, suite, 2, nil, maxPackets)
		plain := bytes.Repeat([]byte("clear"), 20)
		got, ok := k.Seal(1, []byte("before"), plain, FlagPartialChecksum)
		if !ok || len(got) != len("before")+len(plain)+Overhead || !bytes.HasPrefix(got, []byte("before")) {
			t.Fatalf("%v: %t, %d bytes: %q", suite, ok, len(got), got)
		}
		h := Header(got[len("before"):])
		if h.Type() != TypeData || h.Flags() != FlagPartialChecksum || h.Index() != testIndex || h.Queue() != 1 || h.Counter() != 0 {
			t.Errorf("%v: header %x", suite, h[:HeaderSize])
		}
		if bytes.Contains(got, []byte("clear")) {
			t.Errorf("%v: clear text in %q", suite, got)
		}
	}
}

// The key is copied: whoever made it wipes it.
func TestKeyIsCopied(t *testing.T) {
	key := testKey(AES128GCM)
	send, err := newSendKey(AES128GCM, key, testIndex, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	receive, err := newRecvKey(AES128GCM, key, testIndex, 1)
	if err != nil {
		t.Fatal(err)
	}
	clear(key)
	packet := sealed(t, send, 0, "frame")
	opens(t, testRecvKey(t, AES128GCM, 1), packet, Opened, "frame")
	opens(t, receive, packet, Opened, "frame")
}

// plain may lie where the sealed frame goes, as it does when a frame is sealed in place.
func TestSealInPlace(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 1)
	buf := append(make([]byte, HeaderSize), "frame"...)
	buf = slices.Grow(buf, TagSize)
	packet, ok := send.Seal(0, buf[:0], buf[HeaderSize:], 0)
	if !ok || &packet[0] != &buf[0] {
		t.Fatalf("%t, or not in place", ok)
	}
	opens(t, receive, packet, Opened, "frame")
}

// Only queues that were announced seal, and the control queue.
func TestSealQueues(t *testing.T) {
	k := testSendKey(t, AES128GCM, 3, nil, maxPackets)
	for queue := -1; queue <= 300; queue++ {
		got, ok := k.Seal(queue, []byte("dst"), []byte("frame"), 0)
		want := queue >= 0 && queue < 3 || queue == ControlQueue
		if ok != want {
			t.Errorf("queue %d seals: %t", queue, ok)
		}
		if !ok && string(got) != "dst" {
			t.Errorf("queue %d refuses, and yet %q", queue, got)
		}
		if ok && Header(got[3:]).Queue() != queue {
			t.Errorf("queue %d seals as %d", queue, Header(got[3:]).Queue())
		}
	}
	if got := k.Packets(); got != 4 {
		t.Errorf("%d packets were counted", got)
	}
}

// Each queue has its share and no more; a rotation is wanted when the first has used three
// quarters, once.
func TestShares(t *testing.T) {
	const queues, share = 2, 40
	var wanted []int
	sent := 0
	k := testSendKey(t, AES128GCM, queues, func() { wanted = append(wanted, sent) }, share*(queues+1))
	for _, queue := range []int{1, 0, ControlQueue} {
		for n := range share + 10 {
			sent++
			packet, ok := k.Seal(queue, nil, []byte("frame"), 0)
			if ok != (n < share) {
				t.Fatalf("queue %d, packet %d: %t", queue, n, ok)
			}
			if ok && Header(packet).Counter() != uint64(n) {
				t.Errorf("queue %d, packet %d has counter %d", queue, n, Header(packet).Counter())
			}
		}
	}
	if !slices.Equal(wanted, []int{share * 3 / 4}) {
		t.Errorf("rotation was wanted at packets %v of queue 1", wanted)
	}
	if got := k.Packets(); got != share*(queues+1) {
		t.Errorf("%d packets", got)
	}
}

// The shares of all queues together are never more than the key may seal.
func TestSharesAddUp(t *testing.T) {
	for queues := 1; queues <= MaxQueues; queues++ {
		k := testSendKey(t, AES128GCM, queues, nil, maxPackets)
		if all := k.hard * uint64(queues+1); all > 1<<32 || k.soft >= k.hard || k.soft < k.hard/2 || k.hard > counterMask {
			t.Errorf("%d queues: %d packets each, rotation wanted at %d", queues, k.hard, k.soft)
		}
	}
}

// Whatever the queues do, no two packets of a key have the same nonce.
func TestNoncesDiffer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		queues := rapid.IntRange(1, MaxQueues).Draw(rt, "queues")
		packets := rapid.Uint64Range(0, 1000).Draw(rt, "packets")
		k := testSendKey(t, AES128GCM, queues, nil, packets)
		seen := map[[8]byte]bool{}
		for range rapid.IntRange(0, 300).Draw(rt, "sealed") {
			queue := rapid.IntRange(-1, 18).Draw(rt, "queue")
			packet, ok := k.seal(rapid.SampledFrom([]byte{TypeData, TypeKeepalive}).Draw(rt, "type"), queue, nil, nil, 0)
			if !ok {
				continue
			}
			counter := [8]byte(packet[counterOffset:])
			if seen[counter] {
				rt.Fatalf("counter %x twice", counter)
			}
			seen[counter] = true
		}
		if uint64(len(seen)) != k.Packets() || uint64(len(seen)) > packets {
			rt.Fatalf("%d sealed, %d counted, %d allowed", len(seen), k.Packets(), packets)
		}
	})
}

// The queues seal at once, each in its goroutine, the control queue in several; somebody
// counts meanwhile. All that is sealed opens.
func TestSealConcurrently(t *testing.T) {
	const each = 500
	var wanted atomic.Int32
	k := testSendKey(t, AES128GCM, 4, func() { wanted.Add(1) }, each*4*5)
	var wg sync.WaitGroup
	packets := make([][][]byte, 8)
	for i := range packets {
		queue := i
		if i >= 4 {
			queue = ControlQueue
		}
		wg.Go(func() {
			for range each {
				packet, ok := k.Seal(queue, nil, []byte("frame"), 0)
				if !ok {
					t.Errorf("queue %d stops", queue)
					return
				}
				packets[i] = append(packets[i], packet)
				k.Packets()
			}
		})
	}
	wg.Wait()
	receive := testRecvKey(t, AES128GCM, 4)
	for _, packet := range slices.Concat(packets...) {
		opens(t, receive, packet, Opened, "frame")
	}
	if n := wanted.Load(); n != 1 {
		t.Errorf("rotation was wanted %d times", n)
	}
	if got := k.Packets(); got != 8*each {
		t.Errorf("%d packets", got)
	}
}

// A key that has ended seals nothing, and still tells how much it did.
func TestSendKeyWiped(t *testing.T) {
	k := testSendKey(t, AES128GCM, 1, nil, maxPackets)
	sealed(t, k, 0, "frame")
	k.wipe()
	for _, queue := range []int{0, ControlQueue} {
		if got, ok := k.Seal(queue, []byte("dst"), []byte("frame"), 0); ok || string(got) != "dst" {
			t.Errorf("queue %d: %q, %t", queue, got, ok)
		}
	}
	if k.Packets() != 1 {
		t.Errorf("%d packets", k.Packets())
	}
}

func TestSealDoesNotAllocate(t *testing.T) {
	for _, suite := range []Suite{AES128GCM, AES256GCM} {
		k := testSendKey(t, suite, 2, nil, 100) // soft and hard limits are passed, too
		plain, slab := make([]byte, 1400), make([]byte, 0, 1400+Overhead)
		for _, queue := range []int{0, 1, ControlQueue, 7} {
			if n := testing.AllocsPerRun(100, func() { k.Seal(queue, slab, plain, 0) }); n != 0 {
				t.Errorf("%v, queue %d: %v allocations", suite, queue, n)
			}
		}
	}
}
