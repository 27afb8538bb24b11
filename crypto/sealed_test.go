package crypto

import (
	"bytes"
	"testing"
)

const testIndex = 0x01020304

// testKeys returns the two halves of an epoch of one direction.
func testKeys(t testing.TB, suite Suite, queues int) (*SendKey, *RecvKey) {
	t.Helper()
	return testSendKey(t, suite, queues, nil, maxPackets), testRecvKey(t, suite, queues)
}

func testKey(suite Suite) []byte {
	key := make([]byte, suite.keySize())
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func testSendKey(t testing.TB, suite Suite, queues int, wanted func(), packets uint64) *SendKey {
	t.Helper()
	k, err := newSendKeyLimited(suite, testKey(suite), testIndex, queues, wanted, packets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testRecvKey(t testing.TB, suite Suite, queues int) *RecvKey {
	t.Helper()
	k, err := newRecvKey(suite, testKey(suite), testIndex, queues)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sealed is a packet of a queue.
func sealed(t testing.TB, k *SendKey, queue int, plain string) []byte {
	t.Helper()
	packet, ok := k.Seal(queue, nil, []byte(plain), 0)
	if !ok {
		t.Fatalf("queue %d does not seal", queue)
	}
	return packet
}

// opens holds a copy of a packet to a verdict, and if it is opened, to what it carries.
func opens(t testing.TB, k *RecvKey, packet []byte, want Verdict, plain string) {
	t.Helper()
	packet = bytes.Clone(packet)
	got, flags, v := k.Open(packet)
	switch {
	case v != want:
		t.Errorf("%v, want %v", v, want)
	case v != Opened && (got != nil || flags != 0):
		t.Errorf("%v, and yet %q with flags %#x", v, got, flags)
	case v == Opened && string(got) != plain:
		t.Errorf("opened %q, want %q", got, plain)
	case v == Opened && len(got) > 0 && &got[0] != &packet[HeaderSize]:
		t.Error("not opened in place")
	}
}
