package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// Cluster is what the hosts of a network tell each other about the containers on it, for those
// who attach containers: package docker asks here and nowhere else. A CNI plugin is a process
// of its own, and has to ask by the API: there the place is that of an address plugin
// (allocator, in package cni), and who takes part is the port that it adds. [Agent.Alone] is
// what there is without a cluster.
//
// Who attaches a container chooses an address from the part of a subnet that he gives out,
// claims it, and has the container told of once its interface is there. Both are undone in
// any order, and after a restart EndpointUp is said anew. Methods return when ctx ends, and
// may be called from any goroutine. What a host that died has claimed is the cluster's to
// free.
type Cluster interface {
	// ClaimAddress makes an address of a network this host's, which it may give to a
	// container. The error wraps ErrAddressTaken if another host has it.
	ClaimAddress(ctx context.Context, vni encap.VNI, addr netip.Addr) error
	// ReleaseAddress gives it back. One that is not this host's is no error.
	ReleaseAddress(ctx context.Context, vni encap.VNI, addr netip.Addr) error
	// EndpointUp tells that a container is on a network here; again if it has changed.
	EndpointUp(ctx context.Context, e Endpoint) error
	// EndpointDown tells that it is no more. One that never was is no error.
	EndpointDown(ctx context.Context, e Endpoint) error
}

// Endpoint is a container's place on a network.
type Endpoint struct {
	VNI       encap.VNI
	ID        string // unique among all endpoints of all hosts
	MAC       encap.MAC
	Addresses []netip.Prefix
	Names     []string // under which others may look for it
}

// ErrAddressTaken says that another host has an address.
var ErrAddressTaken = errors.New("address is in use on another host")

// Alone returns the cluster of a node that is in none: an address is another's if somebody
// answers for it when asked through the network. Nobody is told anything.
func (a *Agent) Alone() Cluster { return alone{a} }

// How long one who has an address may take to say so: longer if its derived MAC was seen
// behind a remote lately. It is asked every half of the first.
const (
	askTimeout  = 200 * time.Millisecond
	seenTimeout = 2 * time.Second
)

type alone struct{ agent *Agent }

// ClaimAddress implements [Cluster].
func (c alone) ClaimAddress(ctx context.Context, vni encap.VNI, addr netip.Addr) error {
	n, err := c.agent.network(vni)
	if err != nil {
		return err
	}
	timeout, elsewhere := askTimeout, len(n.vtep.Remotes()) > 0
	for _, e := range n.vtep.Entries() {
		elsewhere = elsewhere || e.Remote.IsValid()
		if e.Remote.IsValid() && e.MAC == encap.MACFromAddr(addr) {
			timeout = seenTimeout
		}
	}
	if !elsewhere {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch mac, err := c.agent.Ask(ctx, vni, addr); {
	case err == nil:
		return fmt.Errorf("%v: %w: %v answers for it", addr, ErrAddressTaken, mac)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, api.ErrNotFound):
		return nil
	default:
		return err
	}
}

// ReleaseAddress implements [Cluster].
func (alone) ReleaseAddress(context.Context, encap.VNI, netip.Addr) error { return nil }

// EndpointUp implements [Cluster].
func (alone) EndpointUp(context.Context, Endpoint) error { return nil }

// EndpointDown implements [Cluster].
func (alone) EndpointDown(context.Context, Endpoint) error { return nil }
