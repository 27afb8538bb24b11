package crypto

// transport makes the keys of an epoch. What workers notice they leave in flags, and
// wake the node.
func (n *Node) transport(p *Peer, a *agreement) (*SendKey, *RecvKey, error) {
	out, in := fromResponder, fromInitiator
	if a.initiator == n.public {
		out, in = in, out
	}
	key, err := deriveKey(n.config.Suite, a.secrets.send, a.secrets.hash, out)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	send, err := newSendKey(n.config.Suite, key, a.peers, n.config.Queues, p.exhausted)
	if err != nil {
		return nil, nil, err
	}
	other, err := deriveKey(n.config.Suite, a.secrets.receive, a.secrets.hash, in)
	if err != nil {
		return nil, nil, err
	}
	defer clear(other)
	receive, err := newRecvKey(n.config.Suite, other, a.own, int(a.queues))
	if err != nil {
		return nil, nil, err
	}
	receive.peer, receive.confirm = p, n.wake
	return send, receive, nil
}

// exhausted is called once when a queue has used its share of a key.
func (p *Peer) exhausted() {
	p.exhausting.Store(true)
	p.node.wake()
}
