package crypto_test

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/vxtap/vxtap/crypto"
)

// scene is two nodes at some point of their acquaintance, and what they have said so far.
type scene struct {
	a, b *end
	said []datagram
}

// scenes are made once: idle, in the middle of a first handshake, established, and in the
// middle of a rotation.
func scenes(t testing.TB) []scene {
	seed := uint64(10)
	build := func(play func(n *network, a, b *end)) scene {
		seed++ // or the response of one scene were the genuine one of another
		n := newNetwork(t, seed)
		n.recording = true
		a, b := n.pair(nil)
		play(n, a, b)
		return scene{a, b, n.seen}
	}
	return []scene{
		build(func(*network, *end, *end) {}),
		build(func(_ *network, a, b *end) { a.poll(); b.poll() }),
		build(func(n *network, _, _ *end) { n.runFor(1e9) }),
		build(func(n *network, a, b *end) {
			n.runFor(1e9)
			if err := a.Rotate(a.peer(b)); err != nil {
				t.Fatal(err)
			}
			a.poll()
		}),
	}
}

// Whatever arrives in whatever state: no panic, no answer that is longer, and no change of
// the session. Bytes that the mutator is not able to make, MACs of the right kind, come
// from what the nodes have said: part of a message is replaced by the input, from an
// offset on.
func FuzzReceive(f *testing.F) {
	all := scenes(f)
	for state := range all {
		for i, d := range all[state].said {
			f.Add(uint8(state), uint8(i), uint16(0), d.data)
			f.Add(uint8(state), uint8(i), uint16(4), d.data[4:])
			f.Add(uint8(state), uint8(i), uint16(len(d.data)), []byte{})
		}
		for kind := byte(0x3f); kind < 0x49; kind++ {
			f.Add(uint8(state), uint8(0), uint16(0), []byte{kind, crypto.Version, 0, 0, 1, 2, 3, 4, 5})
		}
	}
	f.Fuzz(func(t *testing.T, state, which uint8, offset uint16, input []byte) {
		s := all[int(state)%len(all)]
		var data []byte
		genuine := false
		if len(s.said) > 0 {
			said := s.said[int(which)%len(s.said)].data
			data = append(data, said[:min(int(offset), len(said))]...)
			genuine = len(data)+len(input) == len(said) && string(input) == string(said[len(data):])
		}
		if data = append(data, input...); genuine {
			return // replayed in TestReplaysChangeNothing
		}
		for _, pair := range [][2]*end{{s.a, s.b}, {s.b, s.a}} {
			e, o := pair[0], pair[1]
			before := stateOf(e, o)
			out := e.Receive(append([]byte(nil), data...), source(int(which)), nil)
			for _, m := range out {
				if len(m.Data) > len(data) || m.Data[0] == crypto.TypeResponse && !settles(data) {
					t.Fatalf("%x is answered with %x", data, m.Data)
				}
			}
			if len(data) >= crypto.Overhead {
				if k := e.Receiving(binary.BigEndian.Uint32(data[4:])); k != nil && data[0] == crypto.TypeData {
					if _, _, v := k.Open(append([]byte(nil), data...)); v == crypto.Opened {
						t.Fatalf("opened %x", data)
					}
				}
			}
			after := stateOf(e, o)
			if after.status.Endpoint != before.status.Endpoint || !reflect.DeepEqual(after.status.Epoch, before.status.Epoch) {
				t.Fatalf("%x changed %+v to %+v", data, before, after)
			}
		}
	})
}

// settles reports whether a message may be a genuine initiation with another second MAC,
// which is looked at only under load.
func settles(data []byte) bool {
	return len(data) == crypto.InitiationSize && data[0] == crypto.TypeInitiation
}
