package crypto

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

const someFrame = "the bytes of a VXLAN header and a frame, for which it is all the same"

// What was sealed opens, of any length, with its flags, of every queue.
func TestOpen(t *testing.T) {
	for _, suite := range []Suite{AES128GCM, AES256GCM} {
		send, receive := testKeys(t, suite, 3)
		for _, queue := range []int{0, 1, 2, ControlQueue} {
			for _, size := range []int{0, 1, 15, 16, 17, 64, 1450, 65000} {
				for _, flags := range []uint16{0, FlagPartialChecksum} {
					plain := bytes.Repeat([]byte{byte(size)}, size)
					packet, _ := send.Seal(queue, nil, plain, flags)
					got, gotFlags, v := receive.Open(packet)
					if v != Opened || gotFlags != flags || !bytes.Equal(got, plain) {
						t.Errorf("%v, queue %d, %d bytes, flags %d: %v, %d bytes, flags %d", suite, queue, size, flags, v, len(got), gotFlags)
					}
				}
			}
		}
		if got := receive.Packets(); got != send.Packets() {
			t.Errorf("%d packets of %d were opened", got, send.Packets())
		}
	}
}

func TestOpenKeepalive(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 1)
	packet, _ := send.seal(TypeKeepalive, ControlQueue, nil, []byte("sign"), 0)
	packet[0] = TypeData // the type is authenticated
	opens(t, receive, packet, Forged, "")
	packet[0] = TypeKeepalive
	opens(t, receive, packet, Opened, "sign")
}

// With any one bit flipped a packet is refused, and what it was is still taken after that:
// a forged packet moves no window.
func TestFlippedBits(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 2)
	for _, queue := range []int{0, ControlQueue} {
		packet := sealed(t, send, queue, someFrame)
		for bit := range 8 * len(packet) {
			forged := bytes.Clone(packet)
			forged[bit/8] ^= 0x80 >> (bit % 8)
			want := Forged
			if offset := bit / 8; offset < counterOffset || offset == counterOffset && slot(int(forged[offset]), 2) < 0 {
				want = BadHeader
			}
			if offset := bit / 8; offset == flagsOffset+1 && forged[offset] == 1 || offset == 0 && forged[0] == TypeKeepalive {
				want = Forged // another known flag or type
			}
			t.Run(fmt.Sprintf("queue %d, bit %d", queue, bit), func(t *testing.T) { opens(t, receive, forged, want, "") })
		}
		opens(t, receive, packet, Opened, someFrame)
	}
}

// A packet cut short, or with bytes to spare, is no packet.
func TestTruncated(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 1)
	packet := sealed(t, send, 0, someFrame)
	for size := range packet {
		want := Forged
		if size < Overhead {
			want = BadHeader
		}
		opens(t, receive, packet[:size], want, "")
	}
	opens(t, receive, append(bytes.Clone(packet), 0), Forged, "")
	opens(t, receive, nil, BadHeader, "")
	opens(t, receive, packet, Opened, someFrame)
}

// The key is for one index and one direction: what we sent does not come back to us.
func TestWrongKey(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 1)
	packet := sealed(t, send, 0, someFrame)
	for _, index := range []uint32{0, testIndex + 1, testIndex ^ 1<<31} {
		other, err := newRecvKey(AES128GCM, testKey(AES128GCM), index, 1)
		if err != nil {
			t.Fatal(err)
		}
		opens(t, other, packet, BadHeader, "")
	}
	key, err := deriveKey(AES128GCM, [32]byte{1}, [32]byte{2}, fromInitiator)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newRecvKey(AES128GCM, key, testIndex, 1)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, other, packet, Forged, "")
	opens(t, receive, packet, Opened, someFrame)
}

// A queue that the peer did not announce is refused, though the packet be genuine.
func TestUnannouncedQueue(t *testing.T) {
	send, receive := testSendKey(t, AES128GCM, 16, nil, maxPackets), testRecvKey(t, AES128GCM, 2)
	for queue := range MaxQueues {
		want := BadHeader
		if queue < 2 {
			want = Opened
		}
		opens(t, receive, sealed(t, send, queue, "frame"), want, "frame")
	}
	opens(t, receive, sealed(t, send, ControlQueue, "frame"), Opened, "frame")
}

// Each packet is taken once, in whatever order; the queues' counters are their own.
func TestReplayed(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 2)
	var packets [][]byte
	for _, queue := range []int{0, 1, ControlQueue} {
		for range 3 {
			packets = append(packets, sealed(t, send, queue, "frame"))
		}
	}
	for i := range packets {
		opens(t, receive, packets[len(packets)-1-i], Opened, "frame")
	}
	for range 2 {
		for _, packet := range packets {
			opens(t, receive, packet, Replayed, "")
		}
	}
	if receive.Packets() != 9 || receive.Replayed() != 18 || receive.Forged() != 0 {
		t.Errorf("%d opened, %d replayed, %d forged", receive.Packets(), receive.Replayed(), receive.Forged())
	}
}

// A packet that was delayed for longer than the window reaches is refused, though it is
// genuine and new: nobody can tell.
func TestTooOld(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 1)
	packet := sealed(t, send, 0, "frame")
	send.queues[0].sent.Store(windowSize)
	opens(t, receive, sealed(t, send, 0, "frame"), Opened, "frame")
	opens(t, receive, packet, Replayed, "")
}

// confirm is called for the first genuine packet, once, and when it is counted.
func TestConfirm(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 4)
	var calls, counted atomic.Uint64
	receive.confirm = func() { calls.Add(1); counted.Store(receive.Packets()) }
	forged := sealed(t, send, 0, "frame")
	forged[HeaderSize] ^= 1
	opens(t, receive, forged, Forged, "")
	if calls.Load() != 0 {
		t.Fatal("a forged packet confirms")
	}
	var wg sync.WaitGroup
	for queue := range 4 {
		packet := sealed(t, send, queue, "frame")
		wg.Go(func() { opens(t, receive, packet, Opened, "frame") })
	}
	wg.Wait()
	if calls.Load() != 1 || counted.Load() < 1 {
		t.Errorf("confirmed %d times, with %d packets", calls.Load(), counted.Load())
	}
}

// Goroutines open the same packets of the same queues: each packet is opened once.
func TestOpenConcurrently(t *testing.T) {
	send, receive := testKeys(t, AES256GCM, 2)
	var packets [][]byte
	for i := range 600 {
		packet := sealed(t, send, i%2, someFrame)
		if i%3 == 0 {
			packet[len(packet)-1] ^= 1
		}
		packets = append(packets, packet)
	}
	const goroutines = 4
	var verdicts [4]atomic.Uint64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range packets {
				packet := bytes.Clone(packets[(i+g*150)%len(packets)])
				plain, _, v := receive.Open(packet)
				if v == Opened && string(plain) != someFrame {
					t.Errorf("opened %q", plain)
				}
				verdicts[v].Add(1)
			}
			receive.Packets()
		})
	}
	wg.Wait()
	if verdicts[Opened].Load() != 400 || verdicts[Replayed].Load() != 400*(goroutines-1) || verdicts[Forged].Load() != 200*goroutines {
		t.Errorf("%d opened, %d replayed, %d forged", verdicts[Opened].Load(), verdicts[Replayed].Load(), verdicts[Forged].Load())
	}
	if receive.Packets() != 400 || receive.Replayed() != 1200 || receive.Forged() != 800 {
		t.Errorf("counted: %d opened, %d replayed, %d forged", receive.Packets(), receive.Replayed(), receive.Forged())
	}
}

// An epoch ends while its packets are opened: they are, or they are not.
func TestRecvKeyWiped(t *testing.T) {
	send, receive := testKeys(t, AES128GCM, 1)
	packets := make(chan []byte, 200)
	for range cap(packets) {
		packets <- sealed(t, send, 0, "frame")
	}
	close(packets)
	var wg sync.WaitGroup
	wg.Go(func() {
		for packet := range packets {
			if _, _, v := receive.Open(packet); v != Opened && v != BadHeader {
				t.Error(v)
			}
		}
	})
	receive.wipe()
	wg.Wait()
	opens(t, receive, sealed(t, send, 0, "frame"), BadHeader, "")
}

// What an attacker makes of the packets in flight, the receiver takes each genuine one
// exactly once, and nothing else.
func TestAttacked(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		send, receive := testKeys(t, AES128GCM, 2)
		var packets [][]byte
		for i := range 20 {
			packets = append(packets, sealed(t, send, i%2, fmt.Sprint("frame ", i)))
		}
		seen := map[int]bool{}
		for range rapid.IntRange(1, 60).Draw(rt, "deliveries") {
			i := rapid.IntRange(0, len(packets)-1).Draw(rt, "packet")
			packet, genuine := bytes.Clone(packets[i]), true
			switch rapid.IntRange(0, 3).Draw(rt, "attack") {
			case 1: // flip
				packet[rapid.IntRange(0, len(packet)-1).Draw(rt, "at")] ^= rapid.ByteRange(1, 255).Draw(rt, "bits")
				genuine = false
			case 2: // truncate
				packet, genuine = packet[:rapid.IntRange(0, len(packet)-1).Draw(rt, "size")], false
			case 3: // splice
				other := packets[rapid.IntRange(0, len(packets)-1).Draw(rt, "other")]
				genuine = bytes.Equal(other, packet)
				packet = append(packet[:HeaderSize], other[HeaderSize:]...)
			}
			plain, _, v := receive.Open(packet)
			if want := genuine && !seen[i]; (v == Opened) != want || want && string(plain) != fmt.Sprint("frame ", i) {
				rt.Fatalf("packet %d, genuine %t, seen %t: %v, %q", i, genuine, seen[i], v, plain)
			}
			seen[i] = seen[i] || genuine
		}
	})
}

func TestOpenDoesNotAllocate(t *testing.T) {
	for _, suite := range []Suite{AES128GCM, AES256GCM} {
		send, receive := testKeys(t, suite, 2)
		plain, slab := make([]byte, 1400), make([]byte, 0, 1400+Overhead)
		for what, change := range map[string]func([]byte){
			"genuine":    func([]byte) {},
			"forged":     func(p []byte) { p[20] ^= 1 },
			"bad header": func(p []byte) { p[1]++ },
		} {
			if n := testing.AllocsPerRun(100, func() {
				packet, _ := send.Seal(0, slab, plain, 0)
				change(packet)
				receive.Open(packet)
				receive.Open(packet)
			}); n != 0 {
				t.Errorf("%v, %s: %v allocations", suite, what, n)
			}
		}
	}
}

func TestVerdictString(t *testing.T) {
	for v, want := range map[Verdict]string{
		Opened: "opened", BadHeader: "bad header", Forged: "forged", Replayed: "replayed", 9: "verdict 9",
	} {
		if v.String() != want {
			t.Errorf("%v, want %s", v, want)
		}
	}
}
