package dataplane

import (
	"sync"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

const (
	// keyWait is how long a frame waits for a session with its peer.
	keyWait = 2 * time.Second
	// maxHeldFrames and maxHeldBytes bound what waits for one peer, and with the number
	// of peers what waits at all: enough for the first packets of some connections.
	maxHeldFrames = 64
	maxHeldBytes  = 128 << 10
)

// heldFrame is a copy of a wire-size frame for a peer with which there is no session yet.
type heldFrame struct {
	peer     *crypto.Peer
	plain    []byte // its own: VXLAN header and frame
	flags    uint16 // of the sealed header
	network  *Network
	counted  *remoteCounters
	tos, ttl uint8 // of the outer header
	until    time.Time

	fragments bool // it may be fragmented on the way

	entry    int       // in the ledger of the batch that it came with
	counters *counters // this and the next are set when that is settled
	decides  bool      // the frame's fate is that of this copy, as no other was delivered
}

// waitingRoom is where frames wait for a key: out-workers bring them, the sealer fetches
// them. It is not on the way of a frame whose peer has a session.
type waitingRoom struct {
	mu    sync.Mutex
	peers map[*crypto.Peer]*heldFrames
}

// heldFrames are those for one peer, the oldest first.
type heldFrames struct {
	frames []heldFrame
	count  int // and those announced, but not brought yet
	bytes  int
}

// announce makes room for a frame of so many bytes, or reports that there is none.
func (r *waitingRoom) announce(p *crypto.Peer, bytes int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.peers[p]
	if h == nil {
		h = new(heldFrames)
		r.peers[p] = h
	}
	if h.count == maxHeldFrames || h.bytes+bytes > maxHeldBytes {
		return false
	}
	h.count++
	h.bytes += bytes
	return true
}

// bring puts announced frames in, whose batch was settled.
func (r *waitingRoom) bring(frames []heldFrame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range frames {
		h := r.peers[frames[i].peer]
		h.frames = append(h.frames, frames[i])
	}
}

// fetch takes out the frames that a session is there for, and those whose time is up or
// that have no peer to wait for any more. It returns when the next one's will be, if any
// is left.
func (r *waitingRoom) fetch(now time.Time) (ready, late []heldFrame, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, h := range r.peers {
		n := 0
		if p.Sending() != nil {
			n = len(h.frames)
			ready = append(ready, h.frames...)
		}
		for n < len(h.frames) && !h.frames[n].until.After(now) {
			late = append(late, h.frames[n])
			n++
		}
		h.leave(n)
		if h.count == 0 {
			delete(r.peers, p)
		}
		if len(h.frames) > 0 && (next.IsZero() || h.frames[0].until.Before(next)) {
			next = h.frames[0].until
		}
	}
	return ready, late, next
}

// empty takes everything out.
func (r *waitingRoom) empty() (all []heldFrame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, h := range r.peers {
		all = append(all, h.frames...)
		delete(r.peers, p)
	}
	return all
}

// leave takes the n oldest out.
func (h *heldFrames) leave(n int) {
	for i := range h.frames[:n] {
		h.bytes -= len(h.frames[i].plain)
	}
	h.count -= n
	h.frames = append(h.frames[:0:0], h.frames[n:]...)
}

// sent books a frame that has left after all.
func (h *heldFrame) sent() {
	if !h.decides {
		h.counters.copies.Add(1)
		return
	}
	h.counters.forwarded.Add(1)
	h.counters.forwardedBytes.Add(uint64(len(h.plain) - encap.VXLANSize))
	h.counters.waiting.Add(-1)
}

// dropped books one that has not.
func (h *heldFrame) dropped(why Drop) {
	if h.decides {
		h.counters.drops[why].Add(1)
		h.counters.waiting.Add(-1)
	}
}
