package crypto

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxPackets is how many packets are sealed with one key. NIST SP 800-38D section 8.3
// allows no more where nonces are random; ours count, and could go on, but at full size
// 2^32 packets are 2^39 blocks already, at which an attacker's advantage by the birthday
// bound is 2^-51 (compare RFC 9001 appendix B.1).
const maxPackets = 1 << 32

// SendKey is the sending half of an epoch. Its queues share nothing that changes: each has
// counters, hence nonces, of its own.
type SendKey struct {
	aead     atomic.Pointer[cipher.AEAD] // nil once the epoch has ended
	receiver uint32                      // the index in the header
	soft     uint64                      // packets of a queue after which rotation is wanted
	hard     uint64                      // packets of a queue after which nothing is sealed
	wanted   func()
	asked    atomic.Bool
	control  sync.Mutex  // the owner of the control queue
	queues   []sendQueue // the last is the control queue's
}

// sendQueue belongs to the goroutine that sends from the queue; others only read sent. It
// fills a pair of cache lines, as processors fetch them in pairs.
type sendQueue struct {
	sent  atomic.Uint64
	nonce [nonceSize]byte // here, because what is passed to an interface goes to the heap
	_     [128 - 8 - nonceSize]byte
}

// newSendKey makes the sending half of an epoch for a number of queues from 1 to
// [MaxQueues]. The key is copied. wanted is called once, by a goroutine that seals, when a
// queue has used three quarters of its share: it must not block.
func newSendKey(suite Suite, key []byte, receiver uint32, queues int, wanted func()) (*SendKey, error) {
	return newSendKeyLimited(suite, key, receiver, queues, wanted, maxPackets)
}

// newSendKeyLimited is newSendKey with another number of packets for the whole key, of
// which each queue's share is an equal part.
func newSendKeyLimited(suite Suite, key []byte, receiver uint32, queues int, wanted func(), packets uint64) (*SendKey, error) {
	if queues < 1 || queues > MaxQueues {
		return nil, fmt.Errorf("sending key for %d queues: want 1 to %d", queues, MaxQueues)
	}
	aead, err := suite.aead(key)
	if err != nil {
		return nil, err
	}
	share := packets / uint64(queues+1)
	k := &SendKey{
		receiver: receiver, wanted: wanted,
		soft: share - share/4, hard: share,
		queues: make([]sendQueue, queues+1),
	}
	k.aead.Store(&aead)
	return k, nil
}

// Seal appends to dst a packet of type [TypeData] that carries plain, a VXLAN header and a
// frame, and returns the extended dst; it is [Overhead] bytes longer than plain, and
// nothing is allocated if dst has room for it. plain must not overlap that room, unless it
// begins exactly where the sealed frame will.
//
// ok is false, and dst as it was, when nothing may be sent with this key any more: its
// epoch has ended, or the queue's share of packets is used up; or if there is no such
// queue. Each queue has one owner at a time: two that seal at once would use a nonce twice,
// and give the key away. Only the control queue may be used by anybody.
func (k *SendKey) Seal(queue int, dst, plain []byte, flags uint16) (sealed []byte, ok bool) {
	return k.seal(TypeData, queue, dst, plain, flags)
}

func (k *SendKey) seal(kind byte, queue int, dst, plain []byte, flags uint16) (sealed []byte, ok bool) {
	if queue == ControlQueue {
		k.control.Lock()
		defer k.control.Unlock()
	}
	aead, at := k.aead.Load(), slot(queue, len(k.queues)-1)
	if aead == nil || at < 0 {
		return dst, false
	}
	q := &k.queues[at]
	sent := q.sent.Load()
	if sent >= k.hard {
		return dst, false
	}
	q.sent.Store(sent + 1) // before it is used: a nonce may be lost, but not used twice
	if sent+1 >= k.soft {
		k.want()
	}
	counter := uint64(queue)<<queueShift | sent
	binary.BigEndian.PutUint64(q.nonce[nonceSize-8:], counter)
	start := len(dst)
	dst = appendHeader(dst, kind, flags, k.receiver, counter)
	return (*aead).Seal(dst, q.nonce[:], plain, dst[start:]), true
}

// Receiver is the index by which the peer finds its half of the key, as it stands in the
// header of all that is sealed with this one: nobody off the path knows it.
func (k *SendKey) Receiver() uint32 { return k.receiver }

// want asks for a rotation, once.
func (k *SendKey) want() {
	if !k.asked.Load() && k.asked.CompareAndSwap(false, true) && k.wanted != nil {
		k.wanted()
	}
}

// Packets returns how many packets were sealed, of all queues and types.
func (k *SendKey) Packets() uint64 {
	var n uint64
	for i := range k.queues {
		n += k.queues[i].sent.Load()
	}
	return n
}

// wipe ends the epoch: from now on nothing is sealed, but for packets that are being sealed
// this moment. The key schedule is the standard library's, which cannot wipe it; without
// our reference its memory goes to the garbage collector.
func (k *SendKey) wipe() { k.aead.Store(nil) }
