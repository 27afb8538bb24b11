package crypto

// Cost returns what strangers made the node do so far.
func (n *Node) Cost() (hashes, handshakes uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cost.hashes, n.cost.handshakes
}

// Kept returns how much the node keeps: epochs, attempts, and keys that workers find.
func (n *Node) Kept() (epochs, attempts, keys int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.receiving.Load().slots {
		if s.key != nil {
			keys++
		}
	}
	return len(n.epochs), len(n.attempts), keys
}

// UseUp leaves a queue of the key one packet before rotation is wanted.
func (k *SendKey) UseUp(queue int) { k.queues[queue].sent.Store(k.soft - 2) }

// Secrets returns whether anything of the peer's secrets is left.
func (p *Peer) Secrets() bool {
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	return p.psk != PSK{} || len(p.confirmed)+len(p.unconfirmed)+len(p.attempts) > 0
}

// Remake makes the first MAC of an initiation or response anew, as anybody can who knows
// the receiver's public key.
func Remake(message []byte, receiver PublicKey) {
	body := len(message) - 2*macSize
	m := ofPublic(receiver).of(message[:body])
	copy(message[body:], m[:])
}

// Sizes of messages, for attackers.
const (
	InitiationSize = initiationSize
	ResponseSize   = responseSize
	ReplySize      = answerSize
	SignSize       = signSize
	UnconfirmedMax = keptYoung
	KeptMost       = keptYoung
	AtOnce         = initiationsAtOnce
)

// Answered reports whether workers find the key of what the peer answers to packets that k
// seals. It takes no lock: it is for what a node calls while it holds its own.
func (n *Node) Answered(k *SendKey) bool {
	for index, e := range n.epochs {
		if e.send == k {
			return n.Receiving(index) != nil
		}
	}
	return false
}
