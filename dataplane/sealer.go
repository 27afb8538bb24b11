package dataplane

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// The sealer is the one goroutine that has to do with handshakes: it hands what in-workers
// received to the node, sends what the node answers, and then the frames that had waited
// for it. Workers only seal and open with the keys that result.
type sealer struct {
	node    *crypto.Node
	waiting waitingRoom
	wake    chan struct{} // letters wait, the node has something to do, or frames wait
	stop    chan struct{}
	done    chan struct{}

	messages []crypto.Message
	sealed   []byte
	record   recording
	index    int // of its counters, behind those of the workers
}

// letter is a message of a handshake, or a keepalive, on its way from an in-worker to the
// sealer.
type letter struct {
	from netip.AddrPort
	size int
	data [maxLetter]byte
}

const (
	// maxLetter is more than any message of a handshake has bytes.
	maxLetter = 512
	// letterRing is how many messages of a kind an in-worker can have waiting. Those that
	// are lost come again.
	letterRing = 128
	// initiationsAtOnce is how many initiations are read before other messages are again.
	initiationsAtOnce = 16
)

// letters are the messages of an in-worker that wait for the sealer. Initiations, which
// anybody can send as many of as he likes, take no room from the others, which belong to
// something that this node knows of.
type letters struct{ initiations, others ring[letter] }

func (l *letters) init() {
	l.initiations.slots = make([]letter, letterRing)
	l.others.slots = make([]letter, letterRing)
}

// ringFor is where messages of a type wait.
func (l *letters) ringFor(kind byte) *ring[letter] {
	if kind == crypto.TypeInitiation {
		return &l.initiations
	}
	return &l.others
}

func (l *letters) lost() uint64 { return l.initiations.lost.Load() + l.others.lost.Load() }

// newSealer makes the node of a VTEP that is to have sealed networks.
func newSealer(cfg Config) (*sealer, error) {
	s := &sealer{
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	s.waiting.peers = make(map[*crypto.Peer]*heldFrames)
	sealing := *cfg.Sealing
	sealing.Local = netip.AddrPortFrom(bareAddr(cfg.Local), cfg.Port)
	sealing.Queues, s.index = len(cfg.Underlays), len(cfg.Underlays)
	sealing.Wake = func() { nudge(s.wake) }
	var err error
	if s.node, err = crypto.NewNode(sealing); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return s, nil
}

// Node keeps the VTEP's sessions; nil if it has none. Peers are added to it before they
// are made members of a network.
func (v *VTEP) Node() *crypto.Node {
	if v.sealer == nil {
		return nil
	}
	return v.sealer.node
}

// seal is the sealer's life.
func (v *VTEP) seal() {
	s := v.sealer
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			for _, h := range s.waiting.empty() {
				s.dropped(&h, DropNoKey)
			}
			return
		case <-s.wake:
		case <-timer.C:
		}
		s.record.begin(v, 2*s.index)
		v.readLetters()
		var next time.Duration
		s.messages, next = s.node.Poll(s.messages[:0])
		v.post()
		timer.Reset(min(next, v.sendHeld()))
	}
}

// readLetters hands the node what arrived, but only so much at a time that is nobody else's
// answer.
func (v *VTEP) readLetters() {
	for _, w := range v.in {
		v.read(&w.letters.others, letterRing)
	}
	for _, w := range v.in {
		v.read(&w.letters.initiations, initiationsAtOnce)
		if w.letters.others.waiting() || w.letters.initiations.waiting() {
			nudge(v.sealer.wake)
		}
	}
}

// read hands the node at most so many messages.
func (v *VTEP) read(from *ring[letter], most int) {
	s := v.sealer
	for range most {
		l, ok := from.take()
		if !ok {
			return
		}
		s.messages = s.node.Receive(l.data[:l.size], l.from, s.messages[:0])
		v.post()
	}
}

// post sends the node's messages. One that is lost on the way, or before it, is sent again
// by the node.
func (v *VTEP) post() {
	for _, m := range v.sealer.messages {
		d := encap.Datagram{Data: m.Data, Remote: m.To, TTL: DefaultTTL, Source: encap.SourceListen}
		if v.cfg.Underlays[0].Post(&d) == nil {
			v.sealer.record.sent(nil, &d)
		}
	}
}

// longestNap is how long the sealer sleeps at most. Its timer stands still while the machine
// sleeps, and the node's clock does not: keys that are past their time then may not be used
// for longer than this after it woke.
const longestNap = 10 * time.Second

// sendHeld sends what has waited for a session that is there now, gives up what has waited
// too long, and returns when the next is to be given up.
func (v *VTEP) sendHeld() time.Duration {
	now := time.Now()
	ready, late, next := v.sealer.waiting.fetch(now)
	for i := range late {
		v.sealer.dropped(&late[i], DropNoKey)
	}
	for i := range ready {
		v.sendHeldFrame(&ready[i])
	}
	if next.IsZero() {
		return longestNap
	}
	return min(max(next.Sub(now), 0), longestNap)
}

// dropped books a frame that will not leave.
func (s *sealer) dropped(h *heldFrame, why Drop) {
	if s.record.on() && h.decides {
		s.recordHeld(h, why)
	}
	h.dropped(why)
}

func (v *VTEP) sendHeldFrame(h *heldFrame) {
	s := v.sealer
	key := h.peer.Sending()
	if key == nil { // it has ended again
		s.dropped(h, DropNoKey)
		return
	}
	var ok bool
	if s.sealed, ok = key.Seal(crypto.ControlQueue, s.sealed[:0], h.plain, h.flags); !ok {
		if h.peer.Sending() != key { // its epoch has just ended
			v.sendHeldFrame(h)
			return
		}
		s.dropped(h, DropKeySpent)
		return
	}
	d := encap.Datagram{Data: s.sealed, Remote: h.peer.Endpoint(), TOS: h.tos, TTL: h.ttl, Source: encap.SourceListen, MayFragment: h.fragments}
	if err := v.cfg.Underlays[0].Post(&d); err != nil {
		if s.dropped(h, sendDrop(err)); sendDrop(err) == DropTooBig {
			tooBig(v.paths.refused, d.Remote)
		}
		return
	}
	s.record.sent(h.network, &d)
	h.counted.sent(s.index, 1, len(h.plain)-encap.VXLANSize)
	h.sent()
}
