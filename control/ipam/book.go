package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// What went wrong, for errors.Is.
var (
	ErrNoPool    = errors.New("no such pool")
	ErrOverlap   = errors.New("subnets overlap")
	ErrTaken     = errors.New("address is taken")
	ErrExhausted = errors.New("no address is left")
	ErrInvalid   = errors.New("not possible")
)

// Book is which pools there are, and which of their addresses are given out. The zero Book
// has none.
type Book struct {
	Pools map[string]*Pool // by ID
}

// Pool is a subnet of which addresses are given out.
type Pool struct {
	Subnet netip.Prefix
	// Range is the part of it from which addresses are given out that nobody named.
	Range netip.Prefix
	// Last is the address that was given out last unnamed: the next one is behind it, so
	// that one that is given back is not used again at once.
	Last netip.Addr `json:",omitzero"`
	// Taken are the addresses that are given out.
	Taken []netip.Addr
}

// defaults are the subnets of pools that nobody named one for: of 10.128.0.0/9 each /24, and
// of fd76:7874:6170::/48 (RFC 4193, though not at random) each /64.
var defaults = map[bool]struct {
	from netip.Prefix
	bits int
}{
	false: {netip.MustParsePrefix("10.128.0.0/9"), 24},
	true:  {netip.MustParsePrefix("fd76:7874:6170::/48"), 64},
}

// maxTried is how many default subnets are looked at.
const maxTried = 1 << 12

// AddPool adds a pool and returns its ID. Without a subnet, it is the first default one of its
// family that is free; without a part, all of it. A subnet is free if it overlaps no pool and
// none of routes, which the host has.
func (b *Book) AddPool(subnet, part netip.Prefix, v6 bool, routes []netip.Prefix) (id string, err error) {
	switch {
	case !subnet.IsValid() && part.IsValid():
		return "", fmt.Errorf("range %v without a subnet: %w", part, ErrInvalid)
	case !subnet.IsValid():
		if subnet, err = b.freeSubnet(v6, routes); err != nil {
			return "", err
		}
	case subnet != subnet.Masked():
		return "", fmt.Errorf("subnet %v: %w: the one of that length is %v", subnet, ErrInvalid, subnet.Masked())
	}
	if !part.IsValid() {
		part = subnet
	}
	switch {
	case subnet.Addr().IsMulticast() || subnet.Addr().Is6() != v6 || hostBits(subnet) < 2:
		return "", fmt.Errorf("subnet %v: %w: want one of hosts' addresses, with room for two", subnet, ErrInvalid)
	case !subnet.Contains(part.Addr()) || part.Bits() < subnet.Bits():
		return "", fmt.Errorf("range %v: %w: it is no part of subnet %v", part, ErrInvalid, subnet)
	}
	if err := b.free(subnet, routes); err != nil {
		return "", err
	}
	if b.Pools == nil {
		b.Pools = make(map[string]*Pool)
	}
	id = subnet.String()
	b.Pools[id] = &Pool{Subnet: subnet, Range: part.Masked()}
	return id, nil
}

func hostBits(p netip.Prefix) int { return p.Addr().BitLen() - p.Bits() }

// free says what a subnet overlaps.
func (b *Book) free(subnet netip.Prefix, routes []netip.Prefix) error {
	for _, p := range b.Pools {
		if p.Subnet.Overlaps(subnet) {
			return fmt.Errorf("subnet %v: %w: %v is in use for another network", subnet, ErrOverlap, p.Subnet)
		}
	}
	for _, r := range routes {
		if r.Overlaps(subnet) {
			return fmt.Errorf("subnet %v: %w: this host has a route to %v; choose another with --subnet", subnet, ErrOverlap, r)
		}
	}
	return nil
}

func (b *Book) freeSubnet(v6 bool, routes []netip.Prefix) (netip.Prefix, error) {
	d := defaults[v6]
	addr := d.from.Addr()
	for range maxTried {
		p := netip.PrefixFrom(addr, d.bits)
		if !d.from.Contains(addr) {
			break
		}
		if b.free(p, routes) == nil {
			return p, nil
		}
		addr = last(p).Next()
	}
	return netip.Prefix{}, fmt.Errorf("%w: every /%d of %v is in use; name one with --subnet", ErrExhausted, d.bits, d.from)
}

// RemovePool removes a pool, which need not be there.
func (b *Book) RemovePool(id string) { delete(b.Pools, id) }

// Take gives out an address of a pool: that one, or if it is invalid the next of its range
// that is free and is not to be avoided.
func (b *Book) Take(id string, addr netip.Addr, avoid func(netip.Addr) bool) (netip.Prefix, error) {
	p := b.Pools[id]
	if p == nil {
		return netip.Prefix{}, fmt.Errorf("pool %s: %w", id, ErrNoPool)
	}
	if !addr.IsValid() {
		var err error
		if addr, err = p.next(avoid); err != nil {
			return netip.Prefix{}, err
		}
		p.Last = addr
	} else if err := p.check(addr); err != nil {
		return netip.Prefix{}, err
	}
	i, _ := slices.BinarySearchFunc(p.Taken, addr, netip.Addr.Compare)
	p.Taken = slices.Insert(p.Taken, i, addr)
	return netip.PrefixFrom(addr, p.Subnet.Bits()), nil
}

// check says why an address cannot be given out that somebody named.
func (p *Pool) check(addr netip.Addr) error {
	switch {
	case !p.Subnet.Contains(addr):
		return fmt.Errorf("address %v: %w: it is not in subnet %v", addr, ErrInvalid, p.Subnet)
	case p.reserved(addr):
		return fmt.Errorf("address %v: %w: it means subnet %v itself, or all of its hosts", addr, ErrInvalid, p.Subnet)
	case p.taken(addr):
		return fmt.Errorf("address %v: %w", addr, ErrTaken)
	}
	return nil
}

// reserved are the subnet's own address, of IPv6 that of its routers (RFC 4291 section
// 2.6.1), and the broadcast address of IPv4.
func (p *Pool) reserved(addr netip.Addr) bool {
	return addr == p.Subnet.Addr() || addr.Is4() && addr == last(p.Subnet)
}

func (p *Pool) taken(addr netip.Addr) bool {
	_, found := slices.BinarySearchFunc(p.Taken, addr, netip.Addr.Compare)
	return found
}

// next returns the first free address behind the one that was given out last, round the end
// of the range.
func (p *Pool) next(avoid func(netip.Addr) bool) (netip.Addr, error) {
	first := p.Range.Addr()
	addr := first
	if p.Last.IsValid() && p.Range.Contains(p.Last.Next()) {
		addr = p.Last.Next()
	}
	for start, begun := addr, false; addr != start || !begun; begun = true {
		if !p.reserved(addr) && !p.taken(addr) && !avoid(addr) {
			return addr, nil
		}
		if addr = addr.Next(); !p.Range.Contains(addr) {
			addr = first
		}
	}
	return netip.Addr{}, fmt.Errorf("range %v: %w", p.Range, ErrExhausted)
}

// Give takes an address back, which need not be given out.
func (b *Book) Give(id string, addr netip.Addr) error {
	p := b.Pools[id]
	if p == nil {
		return fmt.Errorf("pool %s: %w", id, ErrNoPool)
	}
	if i, found := slices.BinarySearchFunc(p.Taken, addr, netip.Addr.Compare); found {
		p.Taken = slices.Delete(p.Taken, i, i+1)
	}
	return nil
}

// last returns the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
