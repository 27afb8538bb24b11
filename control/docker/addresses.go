package docker

import (
	"errors"
	"fmt"
	"net/netip"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/ipam"
	"github.com/vxtap/vxtap/encap"
)

// maxClaims is how many addresses are tried one after another that others turn out to have.
const maxClaims = 64

func (d *Driver) requestPool(q requestPool) (given poolGiven, err error) {
	subnet, err := optionalPrefix("subnet", q.Pool)
	if err != nil {
		return given, err
	}
	part, err := optionalPrefix("range", q.SubPool)
	if err != nil {
		return given, err
	}
	var routes []netip.Prefix
	if d.routes != nil {
		if routes, err = d.routes(); err != nil {
			return given, err
		}
	}
	err = d.update(func(s *state) (err error) {
		given.PoolID, err = s.Book.AddPool(subnet, part, q.V6 || subnet.Addr().Is6(), routes)
		return err
	})
	given.Pool, given.Data = given.PoolID, map[string]string{}
	return given, err
}

func optionalPrefix(what, text string) (p netip.Prefix, err error) {
	if text == "" {
		return p, nil
	}
	if p, err = netip.ParsePrefix(text); err != nil {
		return p, fmt.Errorf("bad %s %q: want one like 10.1.0.0/24", what, text)
	}
	return p, nil
}

func (d *Driver) releasePool(q poolID) (nothing, error) {
	return nothing{}, d.update(func(s *state) error {
		s.Book.RemovePool(q.PoolID)
		return nil
	})
}

// requestAddress gives out an address: for a container one that no other host has, as far as
// the cluster, or the network itself, can tell.
func (d *Driver) requestAddress(q requestAddress) (given addressGiven, err error) {
	var named netip.Addr
	if q.Address != "" {
		if named, err = netip.ParseAddr(q.Address); err != nil {
			return given, fmt.Errorf("bad address %q: want one like 10.1.0.5", q.Address)
		}
		named = named.Unmap()
	}
	for range maxClaims {
		addr, vni, err := d.take(q.PoolID, named)
		if err != nil {
			return given, err
		}
		if vni == 0 || d.swarm || q.Options[requestType] == requestGateway {
			return addressGiven{addr.String(), map[string]string{}}, nil
		}
		err = d.claimTaken(vni, addr.Addr())
		if err == nil {
			return addressGiven{addr.String(), map[string]string{}}, nil
		}
		err = errors.Join(err, d.giveBack(q.PoolID, addr.Addr()))
		if named.IsValid() || !errors.Is(err, control.ErrAddressTaken) {
			return given, err
		}
		d.log.Info("an address is another host's", zap.Stringer("vni", vni), zap.Error(err))
	}
	return given, fmt.Errorf("pool %s: other hosts have the last %d addresses that were tried: give each host an --ip-range of its own", q.PoolID, maxClaims)
}

// take gives out an address of a pool, and says which network that is for: none while that is
// being made.
func (d *Driver) take(pool string, named netip.Addr) (addr netip.Prefix, vni encap.VNI, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := d.behindRemotes(pool)
	avoid := func(a netip.Addr) bool {
		_, found := d.elsewhere[a]
		return found || seen[encap.MACFromAddr(a)]
	}
	err = d.change(func(s *state) (err error) {
		addr, err = s.Book.Take(pool, named, avoid)
		if errors.Is(err, ipam.ErrExhausted) && len(d.elsewhere)+len(seen) > 0 {
			clear(d.elsewhere) // some may have been given up
			clear(seen)        // and some containers gone
			addr, err = s.Book.Take(pool, named, avoid)
		}
		return err
	})
	if err == nil {
		vni = d.state.networkOf(addr.Masked())
	}
	return addr, vni, err
}

// behindRemotes returns the MACs that were seen behind remotes on the network of a pool. An
// address that would have such a MAC is left to whoever may still have it, unless there is no
// other. d.mu is held.
func (d *Driver) behindRemotes(pool string) map[encap.MAC]bool {
	p := d.state.Book.Pools[pool]
	if p == nil || d.swarm {
		return nil
	}
	entries, _ := d.agent.FDB(d.state.networkOf(p.Subnet)) // there may be no network yet
	seen := make(map[encap.MAC]bool)
	for _, e := range entries {
		if e.Dst.IsValid() {
			seen[e.MAC] = true
		}
	}
	return seen
}

func (d *Driver) claimTaken(vni encap.VNI, addr netip.Addr) error {
	ctx, cancel := d.patience()
	defer cancel()
	err := d.cluster.ClaimAddress(ctx, vni, addr)
	if errors.Is(err, control.ErrAddressTaken) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.elsewhere[addr] = struct{}{}
	}
	return err
}

func (d *Driver) giveBack(pool string, addr netip.Addr) error {
	return d.update(func(s *state) error { return s.Book.Give(pool, addr) })
}

func (d *Driver) releaseAddress(q releaseAddress) (reply nothing, err error) {
	addr, err := netip.ParseAddr(q.Address)
	if err != nil {
		return reply, fmt.Errorf("bad address %q", q.Address)
	}
	addr = addr.Unmap()
	var vni encap.VNI
	d.view(func(s *state) {
		if p := s.Book.Pools[q.PoolID]; p != nil {
			vni = s.networkOf(p.Subnet)
		}
	})
	if vni != 0 {
		ctx, cancel := d.patience()
		defer cancel()
		if err := d.cluster.ReleaseAddress(ctx, vni, addr); err != nil {
			return reply, err
		}
	}
	if err := d.giveBack(q.PoolID, addr); err != nil && !errors.Is(err, ipam.ErrNoPool) {
		return reply, err
	}
	return reply, nil
}
