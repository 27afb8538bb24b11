package crypto

import (
	"fmt"
	"net/netip"
)

// EventKind is what an [Event] is about.
type EventKind uint8

// Kinds of events.
const (
	Established EventKind = iota // a first session, or one after a time without
	Rotated                      // a new epoch follows another
	Moved                        // a peer is heard from another address
	NotRenewed                   // an epoch is over its time: it is used a while longer
	Expired                      // and ended: nothing is sent to the peer any more
	NoAnswer                     // there is still no session, and nothing came back
	BadAnswer                    // there is still no session; what came back does not fit
	Challenged                   // the peer has heard later times from us, and the handshake begins again
)

// Event is something that an operator wants to read.
type Event struct {
	Kind     EventKind
	Peer     *Peer
	Endpoint netip.AddrPort // of the peer, after the event
	Epoch    uint64         // its number; the same at both ends
}

// String tells the event in a sentence, without its subject.
func (e Event) String() string {
	switch e.Kind {
	case Established:
		return fmt.Sprintf("session established with %v, epoch %d", e.Endpoint, e.Epoch)
	case Rotated:
		return fmt.Sprintf("keys rotated, epoch %d", e.Epoch)
	case Moved:
		return fmt.Sprintf("peer is now at %v", e.Endpoint)
	case NotRenewed:
		return fmt.Sprintf("keys of epoch %d are due and the peer does not answer at %v; they are used a while longer", e.Epoch, e.Endpoint)
	case Expired:
		return fmt.Sprintf("keys of epoch %d were not renewed in time: nothing is sent to the peer until it answers", e.Epoch)
	case NoAnswer:
		return fmt.Sprintf("still no session: nothing that fits came back from %v", e.Endpoint)
	case BadAnswer:
		return fmt.Sprintf("still no session: %v answers, but with other keys than ours", e.Endpoint)
	case Challenged:
		return "the peer has heard later times from this node (its clock went back, or a datagram came twice); the handshake begins again with a challenge"
	}
	return "unknown event"
}
