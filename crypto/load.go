package crypto

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// Agreeing on a secret costs a thousand times what a MAC does, so what may make this node
// do it is limited: first for all together, and where that is used up, for each address
// that has shown by a cookie that it is its own.
const (
	initiationsPerSecond = 200 // a fiftieth of a core, at some 100 µs each
	initiationsAtOnce    = 200
	sourcePerSecond      = 20
	sourceAtOnce         = 20
	sourceBuckets        = 64
	responsesPerSecond   = 500 // besides, their index must be one that is waited for
	responsesAtOnce      = 200
	cookiesPerSecond     = 1000
	cookiesAtOnce        = 1000
)

// bucket lets rate events a second through, and burst at once. It keeps the time at which
// it would be full again (the generic cell rate algorithm, ITU-T I.371), which makes the
// zero value a full one.
type bucket time.Duration

func (b *bucket) take(now time.Duration, rate, burst int) bool {
	each := time.Second / time.Duration(rate)
	full := max(time.Duration(*b), now)
	if full-now > each*time.Duration(burst-1) {
		return false
	}
	*b = bucket(full + each)
	return true
}

// load is what strangers have cost of late. Its size does not depend on how many they are.
type load struct {
	initiations, responses, cookies bucket

	seed    maphash.Seed
	sources [sourceBuckets]bucket
}

// initiation reports whether an initiation without a cookie is read now.
func (l *load) initiation(now time.Duration) bool {
	return l.initiations.take(now, initiationsPerSecond, initiationsAtOnce)
}

// site is what one sender may have all addresses of: in IPv6 that is a subnet of 64 bits (RFC
// 4291 section 2.5.1).
func site(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is4() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

// proven reports whether an initiation with a cookie is read now. Addresses share buckets;
// the seed is secret, so that nobody chooses with whom.
func (l *load) proven(now time.Duration, from netip.Addr) bool {
	b := &l.sources[maphash.Comparable(l.seed, site(from))%sourceBuckets]
	return b.take(now, sourcePerSecond, sourceAtOnce)
}

func (l *load) response(now time.Duration) bool {
	return l.responses.take(now, responsesPerSecond, responsesAtOnce)
}

func (l *load) cookie(now time.Duration) bool {
	return l.cookies.take(now, cookiesPerSecond, cookiesAtOnce)
}
