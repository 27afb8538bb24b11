package underlay

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// view is what a Watch knows of interfaces, and of those that have the local address.
type view struct {
	local   netip.Addr
	bound   int // index of the interface that the sockets are bound to, 0 if to none
	links   map[int]linkState
	holders map[holding]addressState

	last  linkState // the interface that had the address last
	moved bool      // it went to another network namespace
}

// linkState is what matters of an interface.
type linkState struct {
	name    string
	kind    string // as "ip link add type" has it; empty for real ones
	master  int    // index of the interface that it is a port of, 0 if of none
	mtu     int
	up      bool // administratively
	carrier bool
}

// ready reports whether the interface takes packets.
func (l linkState) ready() bool { return l.up && l.carrier }

// holding is that of an address by an interface. A loopback has whole prefixes.
type holding struct {
	link   int
	prefix netip.Prefix
}

// addressState is whether an address that an interface has can be used.
type addressState uint8

const (
	usable    addressState = iota
	tentative              // duplicate address detection is under way (RFC 4862 section 5.4)
	duplicate              // it has found another
)

func (v *view) init(local netip.Addr, bound int) {
	v.local, v.bound = local, bound
	v.links, v.holders = make(map[int]linkState), make(map[holding]addressState)
}

func (v *view) family() int {
	if v.local.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// everywhere is the prefix of all destinations.
func (v *view) everywhere() netip.Prefix {
	if v.local.Is6() {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// replace has the view be what was listed, and returns the interfaces that may have changed:
// one that looks as it did may have been made anew.
func (v *view) replace(links []netlink.Link, addrs []netlink.Addr) (changed []Link) {
	old := v.links
	v.links, v.holders = make(map[int]linkState), make(map[holding]addressState)
	for _, l := range links {
		index, now := l.Attrs().Index, stateOf(l)
		v.links[index] = now
		changed = append(changed, Link{Name: now.name, Index: uint32(index), Up: now.ready(), MTU: now.mtu})
	}
	for index, was := range old {
		if _, there := v.links[index]; !there {
			changed = append(changed, Link{Name: was.name, Index: uint32(index)})
		}
	}
	for i := range addrs {
		v.address(&addrs[i], true)
	}
	return changed
}

// stateOf is what matters of an interface.
func stateOf(l netlink.Link) linkState {
	a := l.Attrs()
	kind := l.Type()
	if kind == "device" { // the library's word for a real one
		kind = ""
	}
	return linkState{
		name: a.Name, kind: kind, master: a.MasterIndex, mtu: a.MTU,
		up: a.RawFlags&unix.IFF_UP != 0, carrier: a.RawFlags&unix.IFF_RUNNING != 0,
	}
}

// address enters that an interface has an address, or has it no more, if it is ours.
func (v *view) address(a *netlink.Addr, there bool) {
	if a.IPNet == nil || !sameAddress(a.IPNet, v.local) {
		return
	}
	bits, _ := a.Mask.Size()
	ip, _ := netip.AddrFromSlice(a.IP)
	h := holding{a.LinkIndex, netip.PrefixFrom(ip.Unmap(), bits)}
	if !there {
		delete(v.holders, h)
		return
	}
	switch {
	case a.Flags&unix.IFA_F_DADFAILED != 0:
		v.holders[h] = duplicate
	case a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&unix.IFA_F_OPTIMISTIC == 0:
		v.holders[h] = tentative
	default:
		v.holders[h] = usable
	}
}

// holder returns the interface with the address: the one where most can be done with it, and
// then the first.
func (v *view) holder() (found linkState, state addressState, ok bool) {
	at := 0
	rank := func(l linkState, s addressState) int {
		switch {
		case s != usable:
			return 0
		case !l.ready():
			return 1
		}
		return 2
	}
	for h, s := range v.holders {
		l, known := v.links[h.link]
		if !known || v.local.Zone() != "" && v.local.Zone() != l.name {
			continue
		}
		if d := rank(l, s) - rank(found, state); !ok || d > 0 || d == 0 && h.link < at {
			found, state, at, ok = l, s, h.link, true
		}
	}
	return found, state, ok
}

// judge says what has become of the underlay.
func (v *view) judge() State {
	l, state, ok := v.holder()
	if !ok {
		if v.moved {
			return State{Trouble: fmt.Sprintf("interface %s, which had address %v, was moved to another network namespace, and the sockets stay in this one; move it back, or start vxtap there", v.last.name, v.local)}
		}
		return State{Trouble: fmt.Sprintf("no interface has address %v any more; give it to one, or start vxtap with another --local", v.local)}
	}
	v.last, v.moved = l, false
	s := State{Interface: l.name, MTU: l.mtu}
	switch master := v.links[l.master]; {
	case state == duplicate:
		s.Trouble = fmt.Sprintf("another host has address %v: duplicate address detection on %s has failed; choose another --local", v.local, l.name)
	case state == tentative:
		s.Trouble = fmt.Sprintf("address %v on %s is not usable yet: duplicate address detection is under way", v.local, l.name)
	case master.kind == "vrf" && v.bound != l.master:
		s.Trouble = fmt.Sprintf("interface %s with address %v is in VRF %s, and the sockets are not; take it out, or start vxtap there with: ip vrf exec %s vxtap", l.name, v.local, master.name, master.name)
	case !l.up:
		s.Trouble = fmt.Sprintf("interface %s with address %v is down; bring it up", l.name, v.local)
	case !l.carrier:
		s.Trouble = fmt.Sprintf("interface %s with address %v has no carrier; look for the other end of the cable", l.name, v.local)
	}
	return s
}

// boundTo returns the index of the interface that a listening socket is bound to, as it is by
// "ip vrf exec", 0 if to none.
func boundTo(q *Socket) int {
	s, ok := q.driver.(*linuxSocket)
	if !ok {
		return 0
	}
	name, err := unix.GetsockoptString(s.in.fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if err != nil || name == "" {
		return 0
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0
	}
	return i.Index
}
