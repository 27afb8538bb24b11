package control

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
)

// Keys describes how the node stands with its peers in sealed networks.
func (a *Agent) Keys() api.Keys {
	if a.first().sealing == nil {
		return api.Keys{}
	}
	k := api.Keys{
		PublicKey: a.first().sealing.node.Public(),
		Cipher:    a.node.Seal.Suite.String(), NAT: a.node.Seal.NAT,
	}
	var refused crypto.Refusals
	for _, e := range a.endpoints {
		for why, n := range e.sealing.node.Refused() {
			refused[why] += n
		}
		for _, p := range e.sealing.node.Status() {
			k.Peers = append(k.Peers, describePeer(p))
		}
	}
	k.Rejected = reasons(refused)
	slices.SortFunc(k.Peers, func(x, y api.PeerKeys) int { return x.VTEP.Compare(y.VTEP) })
	return k
}

func describePeer(p crypto.PeerStatus) api.PeerKeys {
	return api.PeerKeys{
		PublicKey: p.Public, VTEP: p.VTEP, Endpoint: p.Endpoint, NAT: p.NAT, State: p.State.String(),
		Epoch: p.Epoch, AgeSeconds: seconds(p.Age), NextRotationSeconds: seconds(p.NextRotation),
		Sent: p.Sent, Received: p.Received, Rejected: reasons(p.Refused),
	}
}

// seconds rounds down, as ages are told.
func seconds(d time.Duration) uint32 {
	return uint32(min(max(d, 0)/time.Second, math.MaxUint32))
}

// reasons names every reason, in the spelling of those of drops.
func reasons(refused crypto.Refusals) map[string]uint64 {
	counts := make(map[string]uint64, len(refused))
	for why, n := range refused {
		counts[strings.ReplaceAll(crypto.Refusal(why).String(), "-", "_")] = n
	}
	return counts
}

// RotateKeys begins to change the keys shared with the peers that are meant.
func (a *Agent) RotateKeys(which api.KeysRotate) (n int, err error) {
	if a.first().sealing == nil {
		return 0, fmt.Errorf("sealed networks of this node: %w", api.ErrNotFound)
	}
	for _, e := range a.endpoints {
		for _, p := range e.sealing.list() {
			if !meant(which, p) {
				continue
			}
			if err := e.sealing.node.Rotate(p); err != nil {
				return n, fmt.Errorf("peer %v: %w", p.VTEP().Addr(), err)
			}
			n++
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("peer%s: %w", described(which), api.ErrNotFound)
	}
	return n, nil
}

// meant reports whether every field that is set applies to p.
func meant(which api.KeysRotate, p *crypto.Peer) bool {
	return (which.PublicKey.IsZero() || which.PublicKey == p.Public()) &&
		(!which.VTEP.IsValid() || which.VTEP == p.VTEP().Addr())
}

func described(which api.KeysRotate) (s string) {
	if which.VTEP.IsValid() {
		s += " " + which.VTEP.String()
	}
	if !which.PublicKey.IsZero() {
		s += " " + which.PublicKey.String()
	}
	return s
}
