package dataplane_test

import (
	"encoding/binary"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

func TestTruncatedDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		s := newStranger(t, wire, "10.9.0.9")
		whole := vxlan(flowOf(foreignMAC, ownMAC, false).frame(t, pattern(100)))
		const full = encap.VXLANSize + encap.EthernetSize
		for n := range 61 {
			s.say(t, a, encap.Datagram{Data: whole[:n]})
			if n < full {
				a.port.expect(t)
			} else {
				a.port.expect(t, whole[encap.VXLANSize:n])
			}
		}
		stray, in := a.vtep.Stats().Stray, a.network.Stats().In
		if got := stray.Drops[dataplane.DropNoHeader]; got != encap.VXLANSize {
			t.Errorf("%d without a header", got)
		}
		if got := in.Drops[dataplane.DropRunt]; got != encap.EthernetSize {
			t.Errorf("%d runts", got)
		}
		if in.Forwarded != 61-full {
			t.Errorf("%d forwarded", in.Forwarded)
		}
		a.conserved(t)
	})
}

func TestReservedBits(t *testing.T) {
	for _, tolerant := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			var cfg setup
			if tolerant {
				cfg.network.ReservedBits = encap.VXLANReserved
			}
			a := newNode(t, wire, "10.9.0.1", cfg)
			s := newStranger(t, wire, "10.9.0.9")
			frame := toAll(foreignMAC)
			refused := uint64(0)
			for bit := range 64 {
				word := binary.BigEndian.Uint64(vxlan(nil)) | 1<<bit
				if encap.VXLANReserved&(1<<bit) == 0 {
					continue
				}
				packet := append(binary.BigEndian.AppendUint64(nil, word), frame...)
				s.say(t, a, encap.Datagram{Data: packet})
				if tolerant {
					a.port.expect(t, frame)
				} else {
					a.port.expect(t)
					refused++
				}
				if got := a.network.Stats().In.Drops[dataplane.DropReserved]; got != refused {
					t.Fatalf("bit %d: %d refused, want %d", bit, got, refused)
				}
			}
			if !tolerant && refused != 64-1-24 {
				t.Errorf("%d bits were tried", refused)
			}
			a.conserved(t)
		})
	}
}

func TestOneReservedBitTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: networkConfig{ReservedBits: 1 << 63}})
		s := newStranger(t, wire, "10.9.0.9")
		packet := vxlan(toAll(foreignMAC))
		packet[0] |= 0x80
		s.say(t, a, encap.Datagram{Data: packet})
		a.port.expect(t, packet[encap.VXLANSize:])
		packet[0] |= 0x40
		s.say(t, a, encap.Datagram{Data: packet})
		a.port.expect(t)
		packet[0] = 0x80 // tolerated, but the I flag is not optional
		s.say(t, a, encap.Datagram{Data: packet})
		a.port.expect(t)
		a.conserved(t)
	})
}

func TestOtherVNIsAreStrays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		s := newStranger(t, wire, "10.9.0.9")
		packet := vxlan(toAll(foreignMAC))
		sent := uint64(0)
		for _, vni := range []encap.VNI{0, 1, testVNI + 1, testVNI + 1<<8, testVNI | 1<<23, encap.MaxVNI} {
			encap.PutVXLAN(packet, vni)
			s.say(t, a, encap.Datagram{Data: packet})
			a.port.expect(t)
			sent++
		}
		if stray := a.vtep.Stats().Stray; stray.Drops[dataplane.DropUnknownVNI] != sent {
			t.Errorf("strays %+v", stray)
		}
		if in := a.network.Stats().In; in.Frames != 0 {
			t.Errorf("the network counted %+v", in)
		}
	})
}

func TestInvalidSourcesAreNotLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.9")})
		s := newStranger(t, wire, "10.9.0.9")
		for _, src := range []encap.MAC{{}, encap.Broadcast, {0x01, 0, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}} {
			s.say(t, a, encap.Datagram{Data: vxlan(toAll(src))})
			a.port.expect(t)
			a.port.send(t, toAll(src))
			if a.hasEntry(src) {
				t.Errorf("%v was learned", src)
			}
		}
		st := a.network.Stats()
		if st.In.Drops[dataplane.DropInvalidSource] != 4 || st.Out.Drops[dataplane.DropInvalidSource] != 4 {
			t.Error(drops(st.In), drops(st.Out))
		}
	})
}

func TestOwnAddressIsNotLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		// Somebody sends as if from our own address: frames must not go there.
		forged := &forger{from: a.addr}
		b := newNode(t, wire, "10.9.0.2", setup{wrap: forged.wrap})
		newStranger(t, wire, "10.9.0.9").say(t, b, encap.Datagram{Data: vxlan(toAll(foreignMAC))})
		if !b.hasEntry(foreignMAC) {
			t.Fatal("not learned behind another VTEP")
		}
		forged.from = b.addr
		newStranger(t, wire, "10.9.0.8").say(t, b, encap.Datagram{Data: vxlan(toAll(station(70)))})
		if b.hasEntry(station(70)) {
			t.Errorf("learned behind ourselves: %+v", b.network.Entries())
		}
	})
}

// forger is an underlay to which everything seems to come from one address.
type forger struct {
	dataplane.Underlay
	from addrPort
}

func (f *forger) wrap(u dataplane.Underlay) dataplane.Underlay { f.Underlay = u; return f }

func (f *forger) Recv(dgrams []encap.Datagram) (int, error) {
	n, err := f.Underlay.Recv(dgrams)
	for i := range dgrams[:n] {
		dgrams[i].Remote = f.from
	}
	return n, err
}
