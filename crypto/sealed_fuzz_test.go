package crypto

import (
	"bytes"
	"testing"
)

// FuzzOpen hands a key whatever a stranger may send: nothing is opened but the packets that
// were sealed with the key.
func FuzzOpen(f *testing.F) {
	send := testSendKey(f, AES128GCM, 2, nil, maxPackets)
	genuine := map[string]bool{}
	for _, queue := range []int{0, 1, ControlQueue} {
		for _, plain := range []string{"", "frame"} {
			packet := sealed(f, send, queue, plain)
			genuine[string(packet)] = true
			f.Add(packet)
		}
	}
	f.Add([]byte{})
	f.Add(appendHeader(nil, TypeData, 0, testIndex, 1<<queueShift-1))
	f.Add(append(appendHeader(nil, TypeKeepalive, 0, testIndex, 17<<queueShift), make([]byte, TagSize)...))
	f.Add(append(appendHeader(nil, TypeData, 0xffff, testIndex, 0), make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, packet []byte) {
		receive := testRecvKey(t, AES128GCM, 2)
		again := bytes.Clone(packet)
		plain, _, v := receive.Open(bytes.Clone(packet))
		if (v == Opened) != genuine[string(packet)] {
			t.Fatalf("%x: %v", packet, v)
		}
		if v == Opened && len(plain) != len(packet)-Overhead {
			t.Errorf("%d bytes of %d", len(plain), len(packet))
		}
		if _, _, second := receive.Open(again); v == Opened && second != Replayed || v != Opened && second != v {
			t.Errorf("%v, then %v", v, second)
		}
	})
}
