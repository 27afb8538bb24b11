package control

import (
	"context"
	"net/netip"
	"sync"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
)

// follower is the goroutine that keeps to what the agent's Keys say. Its zero value is
// none, which can be stopped.
type follower struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func (f *follower) start(follow func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.wait.Go(func() { follow(ctx) })
}

func (f *follower) stop() {
	if f.cancel != nil {
		f.cancel()
	}
	f.wait.Wait()
}

// followKeys cuts peers off whose keys are withdrawn or replaced, until ctx ends.
func (e *endpoint) followKeys(ctx context.Context) {
	for {
		changed := e.sealing.keys.Changed()
		for _, vtep := range e.sealing.cutOff() {
			e.agent.report(zap.WarnLevel, api.Event{
				Kind: api.EventSession, Remote: vtep.Addr(), Message: "peer cut off, as its keys are not valid any more",
			}, nil, zap.Stringer("peer", vtep.Addr()))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// cutOff ends the sessions with peers that have other keys by now, or none, and returns
// their VTEPs. Networks keep them as members to whom nothing can be sent.
func (s *sealing) cutOff() (list []netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, m := range s.peers {
		now, ok := s.keys.Peer(addr)
		if now.VTEP = m.keys.VTEP; m.off || ok && now == m.keys {
			continue
		}
		s.node.RemovePeer(m.peer)
		m.off = true
		list = append(list, m.keys.VTEP)
	}
	return list
}
