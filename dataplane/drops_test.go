package dataplane_test

import (
	"errors"
	"maps"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// scripted is an underlay that fails as it is told.
type scripted struct {
	*mem.Underlay
	fail     func(*encap.Datagram) error // asked about each datagram; nil never fails
	truncate bool                        // everything received was too long
	letters  letters
}

// letters counts messages that carry no frame, but belong to a handshake.
type letters struct{ sent, arrived atomic.Uint64 }

// isLetter reports whether a packet could be one. What is longer than any is a drop.
func isLetter(packet []byte) bool {
	return crypto.Sealed(packet) && packet[0] != crypto.TypeData && len(packet) <= 512
}

func (s *scripted) Post(d *encap.Datagram) error {
	if s.fail != nil {
		if err := s.fail(d); err != nil {
			return err
		}
	}
	err := s.Underlay.Post(d)
	if err == nil && isLetter(d.Data) {
		s.letters.sent.Add(1)
	}
	return err
}

func (s *scripted) Send(dgrams []encap.Datagram) (int, error) {
	for i := range dgrams {
		if s.fail != nil {
			if err := s.fail(&dgrams[i]); err != nil {
				return i, err
			}
		}
		if n, err := s.Underlay.Send(dgrams[i : i+1]); n == 0 {
			return i, err
		}
	}
	return len(dgrams), nil
}

func (s *scripted) Recv(dgrams []encap.Datagram) (int, error) {
	n, err := s.Underlay.Recv(dgrams)
	for i := range dgrams[:n] {
		dgrams[i].Truncated = s.truncate
		if isLetter(dgrams[i].Data) {
			s.letters.arrived.Add(1)
		}
	}
	return n, err
}

// failing wraps underlays so that every datagram they are to send fails with err.
func failing(err error) func(dataplane.Underlay) dataplane.Underlay {
	return func(u dataplane.Underlay) dataplane.Underlay {
		return &scripted{Underlay: u.(*mem.Underlay), fail: func(*encap.Datagram) error { return err }}
	}
}

func truncating(u dataplane.Underlay) dataplane.Underlay {
	return &scripted{Underlay: u.(*mem.Underlay), truncate: true}
}

// dropCase makes one frame end for one reason.
type dropCase struct {
	setup setup
	// From the port of node a, or else from a stranger on the wire.
	frame    []byte
	offload  encap.Offload
	datagram []byte
	tos      uint8
	// Or from a peer of node a, at 10.9.0.9.
	seal  func(*insider) []byte
	twice bool // what passes the first time
	spent bool // the node's keys are
	// What its second port answers when written to; without, it has none.
	write error
	// Called with the VTEP before it happens.
	watch func(*dataplane.VTEP)
}

// The MACs of the node in these tests, of its second port and of one who is elsewhere.
var (
	ownMAC, secondMAC = encap.MAC{0x02, 0x42, 10, 9, 0, 1}, station(50)
	foreignMAC        = station(60)
)

// toAll is a frame that a station behind a port or a VTEP sends to everybody.
func toAll(src encap.MAC) []byte { return etherFrame(encap.Broadcast, src, "to all") }

// refusing has the port refuse whatever it reads.
func refusing(r encap.Refusal) setup {
	return setup{network: flooding("10.9.0.2"), port: mem.PortConfig{RefuseRead: func(*encap.Frame) encap.Refusal { return r }}}
}

func dropCases(t *testing.T) map[dataplane.Drop]dropCase {
	toB := setup{network: flooding("10.9.0.2")}
	sendFails := func(err error) setup { return setup{network: toB.network, wrap: failing(err)} }
	toSecond := etherFrame(secondMAC, ownMAC, "to the other port")
	reserved, noFlag, unknown := vxlan(toAll(foreignMAC)), vxlan(toAll(foreignMAC)), vxlan(toAll(foreignMAC))
	reserved[7], noFlag[0], unknown[6] = 1, 0, testVNI+1
	notECT := flowOf(foreignMAC, ownMAC, false).frame(t, []byte("x"))
	return map[dataplane.Drop]dropCase{
		dataplane.DropRunt:          {setup: toB, frame: make([]byte, encap.EthernetSize-1)},
		dataplane.DropInvalidSource: {setup: toB, frame: toAll(encap.Broadcast)},
		dataplane.DropNoDestination: {frame: toAll(ownMAC)},
		dataplane.DropMalformed:     {setup: toB, frame: toAll(ownMAC), offload: encap.Offload{NeedsCSUM: true, CSUMStart: 1000}},
		dataplane.DropHeaders:       {setup: toB, frame: toAll(ownMAC), offload: encap.Offload{NeedsCSUM: true, GSO: encap.GSOTCP6, CSUMStart: 14, SegmentSize: 1}},
		dataplane.DropPortFull:      {frame: toSecond, write: syscall.ENOBUFS},
		dataplane.DropPortGone:      {frame: toSecond, write: net.ErrClosed},
		dataplane.DropPortRefused:   {frame: toSecond, write: syscall.EIO},
		dataplane.DropPortTooBig:    {frame: toSecond, write: syscall.EMSGSIZE},
		dataplane.DropOtherStation:  {frame: toSecond, write: encap.RefusalOtherStation},
		dataplane.DropNotIP:         {frame: toSecond, write: encap.RefusalNotIP},
		dataplane.DropHairpin:       {setup: toB, frame: etherFrame(ownMAC, station(1), "to myself")},
		dataplane.DropTooBig:        {setup: sendFails(syscall.EMSGSIZE), frame: toAll(ownMAC)},
		dataplane.DropUnreachable:   {setup: toB, frame: toAll(ownMAC)}, // nobody is at 10.9.0.2
		dataplane.DropSendFull:      {setup: sendFails(syscall.ENOBUFS), frame: toAll(ownMAC)},
		dataplane.DropSendFailed:    {setup: sendFails(errors.New("something else")), frame: toAll(ownMAC)},

		dataplane.DropNoNeighbour:    {setup: refusing(encap.RefusalNoNeighbour), frame: toAll(ownMAC)},
		dataplane.DropNeighbourQueue: {setup: refusing(encap.RefusalNeighbourQueue), frame: toAll(ownMAC)},
		dataplane.DropNeighbourTable: {setup: refusing(encap.RefusalNeighbourTable), frame: toAll(ownMAC)},

		dataplane.DropTruncated:   {setup: setup{wrap: truncating}, datagram: vxlan(toAll(foreignMAC))},
		dataplane.DropNoHeader:    {datagram: make([]byte, encap.VXLANSize-1)},
		dataplane.DropNoVNIFlag:   {datagram: noFlag},
		dataplane.DropReserved:    {datagram: reserved},
		dataplane.DropUnknownVNI:  {datagram: unknown},
		dataplane.DropUnknownVTEP: {setup: setup{network: networkConfig{Closed: true}}, datagram: vxlan(toAll(foreignMAC))},
		dataplane.DropLoop:        {datagram: vxlan(toAll(ownMAC))},
		dataplane.DropElsewhere:   {setup: toB, datagram: vxlan(toAll(station(62)))},
		dataplane.DropECN:         {datagram: vxlan(notECT), tos: uint8(encap.CE)},
		dataplane.DropSplitHorizon: {setup: toB, datagram: vxlan(etherFrame(station(61), foreignMAC,
			"to one behind another VTEP"))},
	}
}

// sealedDropCases are those of VTEPs that have sealed networks.
func sealedDropCases(t *testing.T) map[dataplane.Drop]dropCase {
	sealed := setup{network: networkConfig{Sealed: true}, peers: []string{"10.9.0.9"}}
	guest := setup{guests: []string{"10.9.0.9"}}
	outsider := setup{network: networkConfig{Sealed: true}, peers: []string{"10.9.0.2"}, guests: guest.guests}
	good := func(in *insider) []byte { return in.seal(t, vxlan(toAll(foreignMAC)), 0) }
	forged := func(in *insider) []byte {
		b := good(in)
		b[len(b)-1] ^= 1
		return b
	}
	unknown := make([]byte, crypto.Overhead)
	unknown[0], unknown[1] = crypto.TypeData, crypto.Version
	return map[dataplane.Drop]dropCase{
		dataplane.DropNoKey:          {setup: sealed, frame: toAll(ownMAC)}, // nobody is at 10.9.0.9
		dataplane.DropKeySpent:       {setup: sealed, frame: toAll(ownMAC), spent: true},
		dataplane.DropSealedHeader:   {setup: sealed, datagram: unknown[:crypto.Overhead-1]},
		dataplane.DropUnknownSession: {setup: sealed, datagram: unknown},
		dataplane.DropForged:         {setup: sealed, seal: forged},
		dataplane.DropReplayed:       {setup: sealed, seal: good, twice: true},
		dataplane.DropClear:          {setup: sealed, datagram: vxlan(toAll(foreignMAC))},
		dataplane.DropSealed:         {setup: guest, seal: good},
		dataplane.DropNotMember:      {setup: outsider, seal: good},
	}
}

func TestEveryDropHasItsReason(t *testing.T) {
	cases := dropCases(t)
	maps.Copy(cases, sealedDropCases(t))
	names := make(map[string]bool)
	for _, why := range dataplane.Drops() {
		c, ok := cases[why]
		if !ok {
			t.Errorf("no case for %v", why)
			continue
		}
		if names[why.String()] {
			t.Errorf("%v: the name is another's too", why)
		}
		names[why.String()] = true
		t.Run(why.String(), func(t *testing.T) { synctest.Test(t, c.check(why)) })
	}
}

// check returns a test that the frame has one fate, and that it is this.
func (c *dropCase) check(why dataplane.Drop) func(*testing.T) {
	return func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", c.setup)
		if c.watch != nil {
			c.watch(a.vtep)
		}
		if c.write != nil {
			a.addPort(t, "second", secondMAC, mem.PortConfig{FailWrite: func(*encap.Frame) error { return c.write }})
		}
		switch why {
		case dataplane.DropSplitHorizon:
			must(t, a.network.AddEntry(station(61), netAddr("10.9.0.2")))
		case dataplane.DropElsewhere:
			must(t, a.network.AddEntry(station(62), netAddr("10.9.0.2")))
		}
		passed := c.happen(t, wire, a)
		s, stray := a.network.Stats(), a.vtep.Stats().Stray
		var frames uint64
		for _, counts := range []dataplane.Counts{s.Out, s.In, stray} {
			frames += counts.Frames
			for _, d := range dataplane.Drops() {
				if d != why && counts.Drops[d] != 0 {
					t.Errorf("%d frames counted as %v", counts.Drops[d], d)
				}
			}
		}
		if n := s.Out.Drops[why] + s.In.Drops[why] + stray.Drops[why]; n != 1 || frames != 1+passed {
			t.Errorf("%d of %d frames counted as %v, want 1 of %d", n, frames, why, 1+passed)
		}
		a.port.expect(t)
		a.conserved(t)
	}
}

// What a port keeps for now counts as nothing, and what it brings again as one. What it
// refuses for want of room, or by a word that is none, counts with the like of it.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for r, want := range map[encap.Refusal]dataplane.Drop{
			encap.RefusalBusy: dataplane.DropPortFull, encap.RefusalHeld: dataplane.DropPortRefused, encap.NumRefusals: dataplane.DropPortRefused,
		} {
			a := newNode(t, newWire(), "10.9.0.1", setup{})
			a.addPort(t, "second", secondMAC, mem.PortConfig{FailWrite: func(*encap.Frame) error { return r }})
			a.port.send(t, etherFrame(secondMAC, ownMAC, "to the other port"))
			if s := a.network.Stats(); s.Out.Drops[want] != 1 || s.Out.Frames != 1 {
				t.Errorf("%v: %+v", r, s.Out)
			}
		}
		refusal := encap.RefusalHeld
		s := setup{port: mem.PortConfig{RefuseRead: func(*encap.Frame) encap.Refusal { return refusal }}}
		a := newNode(t, newWire(), "10.9.0.1", s)
		second := a.addPort(t, "second", secondMAC, mem.PortConfig{})
		again := etherFrame(secondMAC, ownMAC, "brought again")
		a.port.send(t, again)
		if c := a.network.Stats().Out; c.Frames != 0 || c.Bytes != 0 || c.Forwarded != 0 || c.Dropped() != 0 {
			t.Errorf("a frame that is kept counts: %+v", c)
		}
		refusal = encap.RefusalNone
		a.port.send(t, again)
		second.expect(t, again)
		if c := a.network.Stats().Out; c.Frames != 1 || c.Forwarded != 1 {
			t.Errorf("a frame that is brought again: %+v", c)
		}
		a.conserved(t)
	})
}

// happen brings the frame, and returns how many others there were that passed.
func (c *dropCase) happen(t *testing.T, wire *mem.Network, a *node) (passed uint64) {
	switch {
	case c.seal != nil:
		in := newInsider(t, wire, "10.9.0.9", a)
		packet := c.seal(in)
		if c.twice {
			in.say(t, a, encap.Datagram{Data: packet})
			passed = uint64(len(a.port.received()))
		}
		in.say(t, a, encap.Datagram{Data: packet})
	case c.datagram != nil:
		newStranger(t, wire, "10.9.0.9").say(t, a, encap.Datagram{Data: c.datagram, TOS: c.tos})
	default:
		if c.spent {
			newInsider(t, wire, "10.9.0.9", a)
			a.vtep.SpendKeys()
		}
		a.port.inject(t, c.frame, c.offload)
		pass(time.Minute) // longer than a frame waits for anything
	}
	return passed
}
