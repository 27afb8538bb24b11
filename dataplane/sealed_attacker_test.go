package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// middle is an attacker through whose hands everything between two nodes goes: each is on
// a wire of its own, on which the attacker has the other's address.
type middle struct {
	rt    *rapid.T
	nodes [2]*node
	ends  [2]stranger // on the wire of the node of that number

	heard  []intercepted // all that there ever was
	held   []intercepted
	frames []*carried
}

// intercepted is a packet from a node.
type intercepted struct {
	from  int
	data  []byte
	frame *carried // in it; nil if it is not data
}

// carried is a frame that a host sent, and what may have become of it.
type carried struct {
	from    int
	passed  bool // intact and in time: it has to arrive
	late    bool // intact, but perhaps too late: it may
	arrived int
}

func newMiddle(t *testing.T, rt *rapid.T) *middle {
	m := &middle{rt: rt}
	addrs := []string{"10.9.0.1", "10.9.0.2"}
	for i, addr := range addrs {
		wire := newWire()
		m.ends[i] = newStranger(t, wire, addrs[1-i])
		m.nodes[i] = newSealedNode(t, wire, addr, setup{}, addrs[1-i])
	}
	return m
}

func (m *middle) close(t *testing.T) {
	for i := range m.nodes {
		must(t, m.nodes[i].vtep.Close())
		must(t, m.ends[i].Close())
	}
}

// intercept takes what the nodes have sent. What is data has the frame in it.
func (m *middle) intercept(t *testing.T, frame *carried) (fresh []intercepted) {
	for i := range m.ends {
		for {
			d := []encap.Datagram{{Data: make([]byte, 1<<16)}}
			n, err := m.ends[i].Poll(d)
			must(t, err)
			if n == 0 {
				break
			}
			p := intercepted{from: i, data: d[0].Data}
			if p.data[0] == crypto.TypeData {
				if frame == nil || frame.from != i {
					m.rt.Fatalf("data that nobody has sent")
				}
				p.frame, frame = frame, nil
			}
			fresh = append(fresh, p)
		}
	}
	m.heard = append(m.heard, fresh...)
	return fresh
}

// deliver sends bytes to a node, in the name of the other, and has the hosts look. They may
// be a packet that was intercepted, by intent or by chance.
func (m *middle) deliver(t *testing.T, to int, data []byte) {
	for _, p := range m.heard {
		if p.frame != nil && p.from != to && bytes.Equal(p.data, data) {
			p.frame.late = true
		}
	}
	m.ends[to].say(t, m.nodes[to], encap.Datagram{Data: data})
	for i, x := range m.nodes {
		for _, f := range x.port.received() {
			number := int(binary.BigEndian.Uint32(f.Data[encap.EthernetSize:]))
			if number >= len(m.frames) || m.frames[number].from != 1-i || string(f.Data) != string(m.frame(number)) {
				m.rt.Fatalf("forged, and delivered: %x", f.Data)
			}
			m.frames[number].arrived++
		}
	}
}

// frame is what the host sent as this number.
func (m *middle) frame(number int) []byte {
	from := m.frames[number].from
	text := binary.BigEndian.AppendUint32(nil, uint32(number))
	return etherFrame(m.nodes[1-from].mac, m.nodes[from].mac, string(text)+fmt.Sprint("frame ", number))
}

// pass lets a packet through.
func (m *middle) pass(t *testing.T, p intercepted) {
	if p.frame != nil {
		p.frame.passed = true
	}
	m.deliver(t, 1-p.from, p.data)
}

// calm lets everything through until both ends are at peace.
func (m *middle) calm(t *testing.T) {
	m.release(t)
	for quiet := 0; quiet < 5; {
		fresh := m.intercept(t, nil)
		for _, p := range fresh {
			m.pass(t, p)
		}
		if quiet++; len(fresh) > 0 {
			quiet = 0
		}
		pass(time.Second)
	}
}

// release lets through what was held, in any order.
func (m *middle) release(t *testing.T) {
	for _, p := range rapid.Permutation(m.held).Draw(m.rt, "order") {
		m.pass(t, p)
	}
	m.held = nil
}

// attack does one thing to a packet, or several.
func (m *middle) attack(t *testing.T, p intercepted) {
	other := m.heard[rapid.IntRange(0, len(m.heard)-1).Draw(m.rt, "other")]
	switch rapid.SampledFrom(fates).Draw(m.rt, "fate") {
	case "pass":
		m.pass(t, p)
	case "drop":
	case "double":
		m.pass(t, p)
		m.pass(t, p)
	case "hold":
		m.held = append(m.held, p)
	case "replay":
		m.deliver(t, 1-other.from, other.data)
		m.pass(t, p)
	case "cut":
		m.deliver(t, 1-p.from, p.data[:rapid.IntRange(1, len(p.data)-1).Draw(m.rt, "length")])
	case "extend":
		m.deliver(t, 1-p.from, append(slices.Clone(p.data), other.data...))
	case "flip":
		m.deliver(t, 1-p.from, m.flip(p.data))
		m.pass(t, p) // what was changed must not keep the true one out
	case "reflect":
		m.deliver(t, p.from, p.data)
		m.pass(t, p)
	case "splice":
		m.deliver(t, 1-p.from, m.splice(p.data, other.data))
		m.pass(t, p)
	}
}

var fates = []string{"pass", "drop", "double", "hold", "replay", "cut", "extend", "flip", "reflect", "splice"}

// flip turns a bit over, of the header in every other case.
func (m *middle) flip(data []byte) []byte {
	data = slices.Clone(data)
	most := len(data)
	if rapid.Bool().Draw(m.rt, "header") {
		most = crypto.HeaderSize
	}
	bit := rapid.IntRange(0, 8*most-1).Draw(m.rt, "bit")
	data[bit/8] ^= 1 << (bit % 8)
	return data
}

// splice puts fields of another packet's header, or its body, in the place of a packet's.
func (m *middle) splice(data, other []byte) []byte {
	data = slices.Clone(data)
	ends := []int{1, 2, 4, 8, 9, crypto.HeaderSize, len(data)}
	from := rapid.IntRange(0, len(ends)-2).Draw(m.rt, "from")
	to := rapid.IntRange(from+1, len(ends)-1).Draw(m.rt, "to")
	if ends[from] < len(other) {
		copy(data[ends[from]:ends[to]], other[ends[from]:])
	}
	return data
}

// send has a host send a frame, which is attacked.
func (m *middle) send(t *testing.T, from int) {
	f := &carried{from: from}
	m.frames = append(m.frames, f)
	m.nodes[from].port.send(t, m.frame(len(m.frames)-1))
	for _, p := range m.intercept(t, f) {
		m.attack(t, p)
	}
}

// rotate begins a handshake, which is attacked, with frames before it ends. What was held
// comes before: after some more handshakes it would be too late.
func (m *middle) rotate(t *testing.T, from int) {
	m.release(t)
	must(t, m.nodes[from].vtep.Node().Rotate(m.nodes[from].peers[0]))
	for range rapid.IntRange(1, 4).Draw(m.rt, "rounds") {
		synctest.Wait()
		for _, p := range m.intercept(t, nil) {
			m.attack(t, p)
		}
		m.send(t, rapid.IntRange(0, 1).Draw(m.rt, "frame from"))
	}
	m.calm(t)
}

// judge holds what has arrived against what was let through.
func (m *middle) judge() {
	for i, f := range m.frames {
		switch {
		case f.arrived > 1:
			m.rt.Fatalf("frame %d came %d times", i, f.arrived)
		case f.arrived == 1 && !f.passed && !f.late:
			m.rt.Fatalf("frame %d came, and none of its packets was let through as it was", i)
		case f.arrived == 0 && f.passed:
			m.rt.Fatalf("frame %d did not come, but its packet was let through", i)
		}
	}
	for _, x := range m.nodes {
		out, in := x.network.Stats().Out, x.network.Stats().In
		if out.Dropped() != 0 || in.Drops[dataplane.DropClear]+in.Drops[dataplane.DropNotMember] != 0 {
			m.rt.Fatalf("%v dropped %s and %s", x.addr, drops(out), drops(in))
		}
	}
}

// TestAnAttackerInTheMiddleOnlyDrops: nothing forged is delivered, and nothing genuine is
// lost but what was held back.
func TestAnAttackerInTheMiddleOnlyDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			m := newMiddle(t, rt)
			defer m.close(t)
			m.calm(t)
			for range rapid.IntRange(1, 40).Draw(rt, "steps") {
				from := rapid.IntRange(0, 1).Draw(rt, "from")
				if rapid.IntRange(0, 9).Draw(rt, "what") == 0 {
					m.rotate(t, from)
				} else {
					m.send(t, from)
				}
			}
			m.calm(t)
			m.judge()
		})
	})
}

// inBubble keeps rapid from asking when the test has to end: in a bubble that is not known.
type inBubble struct{ testing.TB }
