package dataplane

import (
	"fmt"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// steadyOut are frames that a port can go on sending, by what is done with them.
func steadyOut(ipv6 bool) map[string]encap.Frame {
	super := steppedFrame(remoteMAC, steppedMAC, ipv6, 60000)
	unfinished := steppedFrame(remoteMAC, steppedMAC, ipv6, 1000)
	finish := superOffload(unfinished, 1)
	finish.GSO, finish.SegmentSize, finish.HeaderLen = encap.GSONone, 0, 0
	local := steppedFrame(secondMAC, steppedMAC, ipv6, 60000)
	return map[string]encap.Frame{
		"unicast":          {Data: steppedFrame(remoteMAC, steppedMAC, ipv6, 100)},
		"flood":            {Data: steppedFrame(nobodyMAC, steppedMAC, ipv6, 100)},
		"local":            {Data: steppedFrame(secondMAC, steppedMAC, ipv6, 100)},
		"hairpin":          {Data: steppedFrame(steppedMAC, steppedMAC, ipv6, 100)},
		"superframe":       {Data: super, Offload: superOffload(super, 1400)},
		"partial checksum": {Data: unfinished, Offload: finish},
		"cut for a port":   {Data: local, Offload: superOffload(local, 1400)},
	}
}

// steadyIn are datagrams that a remote can go on sending.
func steadyIn(from *stepped, ipv6 bool) map[string]encap.Datagram {
	remote := from.n.Remotes()[0]
	super := steppedFrame(encap.Broadcast, remoteMAC, ipv6, 60000)
	superOffload(super, 1400)
	one := vxlanOf(steppedFrame(steppedMAC, remoteMAC, ipv6, 100))
	train := append(append([]byte{}, one...), one...)
	joined := steppedFrame(steppedMAC, remoteMAC, true, 100) // over IPv6, which has no IDs
	superOffload(joined, 1)
	return map[string]encap.Datagram{
		"merged":     {Data: vxlanOf(joined), Remote: remote},
		"unicast":    {Data: one, Remote: remote},
		"flood":      {Data: vxlanOf(steppedFrame(encap.Broadcast, remoteMAC, ipv6, 100)), Remote: remote},
		"learned":    {Data: vxlanOf(steppedFrame(steppedMAC, nobodyMAC, ipv6, 100)), Remote: remote},
		"train":      {Data: train, Remote: remote, SegmentSize: uint16(len(one))},
		"superframe": {Data: vxlanOf(super), Remote: remote, SegmentSize: 1400},
		"stray":      {Data: make([]byte, 100), Remote: remote},
	}
}

var secondMAC = encap.MAC{0x02, 0, 0, 0, 0, 4} // of a port without offloads

// noAllocs fails the test if steps, each a whole batch, allocate once they are warm.
func noAllocs(t *testing.T, step func() int) {
	t.Helper()
	n := testing.AllocsPerRun(20, func() {
		if got := step(); got == 0 || got%batchSize != 0 {
			t.Fatalf("a batch of %d", got)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func TestFramesAreCarriedWithoutAllocation(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		s := newStepped(t, ipv6, 3)
		s.addPort(t, "second", secondMAC, 0)
		for name, f := range steadyOut(ipv6) {
			t.Run(fmt.Sprintf("out,ipv6=%t,%s", ipv6, name), func(t *testing.T) {
				s.first.Repeat([]encap.Frame{f}, 1<<40)
				noAllocs(t, s.stepOut)
			})
		}
		for name, d := range steadyIn(s, ipv6) {
			t.Run(fmt.Sprintf("in,ipv6=%t,%s", ipv6, name), func(t *testing.T) {
				s.u.Repeat([]encap.Datagram{d}, 1<<40)
				noAllocs(t, s.stepIn)
			})
		}
		s.conserved(t)
		if st := s.n.Stats(); st.Out.Forwarded == 0 || st.In.Forwarded == 0 || st.Out.Drops[DropMalformed] != 0 {
			t.Errorf("counts %+v", st)
		}
	}
}

func TestRingOverflowIsCountedAndMadeGood(t *testing.T) {
	s := newStepped(t, false, 1)
	const macs = ringSize + 500
	sendAll := func() {
		for i := range macs {
			src := encap.MACFromUint64(0x02_bb_00_00_00_00 + uint64(i))
			if !s.first.Inject(steppedFrame(remoteMAC, src, false, 10), encap.Offload{}) {
				t.Fatal("not injected")
			}
			s.out.serve(0) // the keeper does not come to it
		}
	}
	sendAll()
	if lost := s.v.Stats().Unlearned; lost != 500 {
		t.Errorf("%d sightings lost, want 500", lost)
	}
	s.v.learnSightings()
	sendAll()
	s.v.learnSightings()
	for i := range macs {
		if d, _ := s.n.table.Lookup(encap.MACFromUint64(0x02_bb_00_00_00_00 + uint64(i))); d == nil {
			t.Fatalf("MAC %d was never learned", i)
		}
	}
	s.conserved(t)
}

// sealedOut are the frames that are sealed on their way, for a peer or for all three.
func sealedOut(ipv6 bool) map[string]encap.Frame {
	all := steadyOut(ipv6)
	super := steppedFrame(nobodyMAC, steppedMAC, ipv6, 60000)
	all["flooded superframe"] = encap.Frame{Data: super, Offload: superOffload(super, 1400)}
	return all
}

func TestSealedFramesAreCarriedWithoutAllocation(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		s := newSealedStepped(t, ipv6, 3)
		s.addPort(t, "second", secondMAC, 0)
		for name, f := range sealedOut(ipv6) {
			t.Run(fmt.Sprintf("out,ipv6=%t,%s", ipv6, name), func(t *testing.T) {
				s.first.Repeat([]encap.Frame{f}, 1<<40)
				noAllocs(t, s.stepOut)
			})
		}
		for name, d := range s.sealedIn(t, ipv6) {
			t.Run(fmt.Sprintf("in,ipv6=%t,%s", ipv6, name), func(t *testing.T) {
				s.u.Repeat(d(), 1<<40)
				noAllocs(t, s.stepIn)
			})
		}
		s.conserved(t)
		st, stray := s.n.Stats(), s.v.Stats().Stray
		if st.Out.Forwarded == 0 || st.Out.Dropped() != st.Out.Drops[DropHairpin] || st.In.Dropped() != 0 {
			t.Errorf("counts %+v", st)
		}
		if stray.Drops[DropForged] != packetsSealed || stray.Drops[DropReplayed] != packetsSealed-1 {
			t.Errorf("stray %+v, want %d forged, and replayed all but the first", stray, packetsSealed)
		}
	}
}

// packetsSealed is how many datagrams noAllocs takes, in batches of which one is to get
// warm. Each packet can be opened once.
const packetsSealed = 21 * maxReception

// sealedIn seals as many datagrams of a kind from the first peer, when they are wanted: of
// those before, what comes later would be too old. Those that are learned from are behind it.
func (s *sealedStepped) sealedIn(t testing.TB, ipv6 bool) map[string]func() []encap.Datagram {
	small := steppedFrame(steppedMAC, remoteMAC, ipv6, 100)
	left := steppedFrame(steppedMAC, remoteMAC, true, 1000) // over IPv6, which has no IDs
	superOffload(left, 1)
	forPlain := steppedFrame(secondMAC, remoteMAC, ipv6, 100)
	superOffload(forPlain, 1)
	far := &s.far[0]
	one := func(frame []byte, flags uint16) func() encap.Datagram {
		return func() encap.Datagram { return encap.Datagram{Data: far.seal(t, frame, flags), Remote: far.addr} }
	}
	forged := far.seal(t, small, 0)
	forged[len(forged)-1] ^= 1
	all := make(map[string]func() []encap.Datagram)
	for name, next := range map[string]func() encap.Datagram{
		"unicast":  one(small, 0),
		"partial":  one(left, flagged),
		"finished": one(forPlain, flagged),
		"flood":    one(steppedFrame(encap.Broadcast, remoteMAC, ipv6, 100), 0),
		"train":    func() encap.Datagram { return far.train(t, flagged, left, left, left, left) },
		"forged":   func() encap.Datagram { return encap.Datagram{Data: forged, Remote: far.addr} },
	} {
		all[name] = func() []encap.Datagram {
			dgrams := make([]encap.Datagram, packetsSealed)
			for i := range dgrams {
				dgrams[i] = next()
			}
			return dgrams
		}
	}
	all["replayed"] = func() []encap.Datagram {
		sealed := one(small, 0)().Data
		dgrams := make([]encap.Datagram, packetsSealed)
		for i := range dgrams {
			dgrams[i] = encap.Datagram{Data: sealed, Remote: far.addr}
		}
		return dgrams
	}
	return all
}
