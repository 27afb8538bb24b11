package crypto_test

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// network carries datagrams between nodes in one goroutine, in virtual time, and as badly
// as it is told to: all that happens follows from its seed.
type network struct {
	t    testing.TB
	now  time.Duration
	rand *rand.Rand
	ends []*end

	inFlight flights
	sequence int

	loss, twice float64
	delay       func() time.Duration

	// attack, if there is one, sees all datagrams, and returns what is carried instead.
	attack func(d datagram) []datagram
	// seen is all datagrams that were sent, if recording.
	recording bool
	seen      []datagram
}

type datagram struct {
	from, to netip.AddrPort
	data     []byte

	at       time.Duration
	sequence int
}

type flights []datagram

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].sequence < f[j].sequence
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(datagram)) }
func (f *flights) Pop() any {
	old := *f
	last := old[len(old)-1]
	*f = old[:len(old)-1]
	return last
}

// end is a node of the network.
type end struct {
	*crypto.Node
	net  *network
	addr netip.AddrPort // where it is
	seen netip.AddrPort // where others see it: behind a NAT that is another address
	key  crypto.PrivateKey

	skew    time.Duration // of its wall clock
	due     time.Duration
	woken   bool
	asleep  bool
	events  []told
	frames  map[uint64]int // that arrived, and how often
	unknown int            // data without a key
	refused int            // data that did not open
	unsent  int            // frames without a session
	peers   map[crypto.PublicKey]*crypto.Peer
}

// told is an event and when it came.
type told struct {
	crypto.Event
	at time.Duration
}

const startOfTime = 1000 * time.Hour // the machines were up for a while

func newNetwork(t testing.TB, seed uint64) *network {
	n := &network{t: t, now: startOfTime, rand: rand.New(rand.NewPCG(seed, 1))}
	n.delay = func() time.Duration { return 5 * time.Millisecond }
	return n
}

func keyNumber(i int) (k crypto.PrivateKey) {
	k[1], k[31] = byte(i+1), 7
	return k
}

func addrNumber(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)}), 4789)
}

// add makes a node, the i-th. change may be nil.
func (n *network) add(i int, change func(*crypto.Config)) *end {
	n.t.Helper()
	e := &end{net: n, addr: addrNumber(i), seen: addrNumber(i), key: keyNumber(i)}
	n.ends = append(n.ends, e)
	e.start(change)
	n.t.Cleanup(func() { e.Close() })
	return e
}

// start makes the node, also again: what it knew is gone.
func (e *end) start(change func(*crypto.Config)) {
	e.net.t.Helper()
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], e.net.rand.Uint64())
	c := crypto.Config{
		Identity: e.key, Local: e.addr, Queues: 2,
		Clock:  func() time.Duration { return e.net.now },
		Wall:   func() time.Time { return time.Unix(1_900_000_000, 0).Add(e.net.now + e.skew) },
		Random: rand.NewChaCha8(seed),
		Wake:   func() { e.woken = true },
		Events: func(v crypto.Event) { e.events = append(e.events, told{v, e.net.now}) },
	}
	if change != nil {
		change(&c)
	}
	node, err := crypto.NewNode(c)
	if err != nil {
		e.net.t.Fatal(err)
	}
	e.Node, e.due, e.woken = node, e.net.now, false
	e.frames, e.peers = make(map[uint64]int), make(map[crypto.PublicKey]*crypto.Peer)
}

// knows makes o a peer of e.
func (e *end) knows(o *end, psk crypto.PSK) *crypto.Peer {
	e.net.t.Helper()
	p, err := e.AddPeer(crypto.PeerConfig{Public: o.key.Public(), PSK: psk, VTEP: o.seen})
	if err != nil {
		e.net.t.Fatal(err)
	}
	e.peers[p.Public()] = p
	return p
}

// peer returns what e has of o.
func (e *end) peer(o *end) *crypto.Peer { return e.peers[o.key.Public()] }

func (e *end) status(o *end) crypto.PeerStatus {
	for _, s := range e.Status() {
		if s.Public == o.key.Public() {
			return s
		}
	}
	e.net.t.Fatalf("%v has no peer %v", e.addr, o.addr)
	panic("not reached")
}

// pair is two nodes that know each other.
func (n *network) pair(change func(*crypto.Config)) (a, b *end) {
	a, b = n.add(0, change), n.add(1, change)
	a.knows(b, crypto.PSK{})
	b.knows(a, crypto.PSK{})
	return a, b
}

// connected is a pair with a session.
func (n *network) connected(change func(*crypto.Config)) (a, b *end) {
	n.t.Helper()
	a, b = n.pair(change)
	n.runFor(2 * time.Second)
	if a.peer(b).Sending() == nil || b.peer(a).Sending() == nil {
		n.t.Fatal("no session")
	}
	a.events, b.events = nil, nil
	return a, b
}

// frame seals a numbered frame for o and sends it off.
func (e *end) frame(o *end, number uint64) bool {
	p := e.peer(o)
	k := p.Sending()
	if k == nil {
		e.unsent++
		p.Want()
		return false
	}
	plain := binary.BigEndian.AppendUint64(nil, number)
	data, ok := k.Seal(int(number%2), nil, plain, 0)
	if !ok {
		e.unsent++
		return false
	}
	e.net.send(datagram{from: e.addr, to: p.Endpoint(), data: data})
	return true
}

func (e *end) sendAll(messages []crypto.Message) {
	for _, m := range messages {
		e.net.send(datagram{from: e.addr, to: m.To, data: m.Data})
	}
}

// send is what a node does; the network does the rest.
func (n *network) send(d datagram) {
	for _, e := range n.ends {
		if e.addr == d.from {
			d.from = e.seen
		}
	}
	if n.recording {
		n.seen = append(n.seen, datagram{from: d.from, to: d.to, data: bytes.Clone(d.data)})
	}
	if n.attack == nil {
		n.carry(d)
		return
	}
	for _, d := range n.attack(d) {
		n.carry(d)
	}
}

func (n *network) carry(d datagram) {
	if n.rand.Float64() < n.loss {
		return
	}
	n.land(d, n.delay())
	if n.rand.Float64() < n.twice {
		n.land(d, n.delay())
	}
}

// land has a copy of the datagram arrive after a time.
func (n *network) land(d datagram, after time.Duration) {
	n.sequence++
	d.at, d.sequence, d.data = n.now+after, n.sequence, bytes.Clone(d.data)
	heap.Push(&n.inFlight, d)
}

// runFor lets time go by.
func (n *network) runFor(d time.Duration) { n.runUntil(n.now + d) }

func (n *network) runUntil(end time.Duration) {
	for n.step(end) {
	}
	n.now = end
}

// step does the next thing that happens before the end.
func (n *network) step(end time.Duration) bool {
	for _, e := range n.ends {
		if e.woken && !e.asleep {
			e.poll()
			return true
		}
	}
	at := end
	who := -1
	for i, e := range n.ends {
		if !e.asleep && e.due <= at {
			at, who = e.due, i
		}
	}
	if len(n.inFlight) > 0 && n.inFlight[0].at <= at {
		d := heap.Pop(&n.inFlight).(datagram)
		n.now = max(n.now, d.at)
		n.deliver(d)
		return true
	}
	if who < 0 {
		return false
	}
	n.now = max(n.now, at)
	n.ends[who].poll()
	return true
}

func (e *end) poll() {
	e.woken = false
	messages, next := e.Poll(nil)
	if next == 0 {
		e.net.t.Fatal("Poll wants to be called again at once")
	}
	e.due = e.net.now + min(next, 1000000*time.Hour)
	e.sendAll(messages)
}

// deliver hands a datagram to the node that is there, if it is awake.
func (n *network) deliver(d datagram) {
	for _, e := range n.ends {
		if e.seen == d.to && !e.asleep {
			e.take(d)
		}
	}
}

// take is what the owner of a node does with what arrives.
func (e *end) take(d datagram) {
	if len(d.data) == 0 || d.data[0] != crypto.TypeData {
		size := len(d.data)
		answers := e.Receive(d.data, d.from, nil)
		for _, m := range answers {
			again := d.data[0] == crypto.TypeCookie && m.Data[0] == crypto.TypeInitiation // to a peer's challenge
			if len(m.Data) > size && !again {
				e.net.t.Errorf("%d bytes are answered with %d, of type %#x", size, len(m.Data), m.Data[0])
			}
		}
		e.sendAll(answers)
		return
	}
	if len(d.data) < crypto.HeaderSize {
		e.refused++
		return
	}
	k := e.Receiving(crypto.Header(d.data).Index())
	if k == nil {
		e.unknown++
		return
	}
	plain, _, v := k.Open(d.data)
	if v != crypto.Opened {
		e.refused++
		return
	}
	if len(plain) != 8 {
		e.net.t.Errorf("a frame of %d bytes", len(plain))
		return
	}
	if p := k.Peer(); p.FromListener() && k.Current() {
		p.Heard(d.from)
	}
	e.frames[binary.BigEndian.Uint64(plain)]++
}

// count is how many events of a kind there were.
func (e *end) count(kind crypto.EventKind) (n int) {
	for _, v := range e.events {
		if v.Kind == kind {
			n++
		}
	}
	return n
}
