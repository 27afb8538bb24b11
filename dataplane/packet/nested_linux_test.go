package packet_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/packet"
	"github.com/vxtap/vxtap/encap"
)

// A machine with a tunnel of its own hands over superframes inside it. They are read as the
// frames that it would have sent over a wire, complete, in order and all, however few are
// read at a time; and what comes behind comes behind.
func TestNestedSuperframesAreCutUp(t *testing.T) {
	const segment, count = 1000, 40
	c := newCable(t, netlab.LinkConfig{B: []netip.Prefix{machineIP}})
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	c.believe(hostUDP.Addr(), stationMAC)
	must(t, c.machine.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx7", VNI: 7, Local: machineIP.Addr(), Remotes: []netip.Addr{hostUDP.Addr()}, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.2.0.2/24")},
	}))
	vx7, err := c.machine.Netlink().LinkByName("vx7")
	must(t, err)
	inside := netip.MustParseAddrPort("10.2.0.1:7000")
	must(t, c.machine.Netlink().NeighSet(&netlink.Neigh{
		LinkIndex: vx7.Attrs().Index, State: netlink.NUD_PERMANENT, IP: inside.Addr().AsSlice(), HardwareAddr: stationMAC[:],
	}))
	conn := udp(t, c.machine, netip.MustParseAddrPort("10.2.0.2:7001"))
	r := newReader(t, d)
	announced := 0 // that there is more than was read, which the descriptor does not show
	d.Queues()[0].Notify(func() {
		announced++
		r.poller.Wake(0)
	})
	payload := pattern(count*segment + 1)
	for round := range 3 {
		if _, _, err := conn.WriteMsgUDPAddrPort(payload, segments(segment), inside); err != nil {
			t.Fatal(err)
		}
		alone := round%2 == 1
		if !alone {
			if _, err := conn.WriteToUDPAddrPort([]byte("behind"), inside); err != nil {
				t.Fatal(err)
			}
		}
		var got []byte
		n := 0
		must(t, r.until(func(_ int, f *encap.Frame) bool {
			var outer, inner encap.Layers
			if outer.Parse(f.Data); outer.Proto != encap.ProtoUDP || outer.Payload == 0 {
				return false
			}
			nested := f.Data[outer.Payload+encap.VXLANSize:]
			if inner.Parse(nested); inner.Proto != encap.ProtoUDP || inner.Payload == 0 || encap.UDP(nested[inner.L4:]).DstPort() != 7000 {
				return false
			}
			if bytes.HasSuffix(f.Data, []byte("behind")) {
				return true
			}
			if n++; f.Offload != (encap.Offload{}) || encap.VerifyChecksum(nested, &inner) != encap.ChecksumValid || len(nested) > inner.Payload+segment {
				t.Errorf("round %d, frame %d: %d bytes, %+v, checksum %v", round, n, len(f.Data), f.Offload, encap.VerifyChecksum(nested, &inner))
			}
			got = append(got, nested[inner.Payload:]...)
			return alone && n == count+1
		}))
		if n != count+1 || !bytes.Equal(got, payload) {
			t.Errorf("round %d: %d frames with %d bytes, want %d with %d", round, n, len(got), count+1, len(payload))
		}
	}
	if announced < 3*count/len(r.frames) {
		t.Errorf("announced %d times that there is more", announced)
	}
	if n, err := d.Drops(); n != 0 || err != nil {
		t.Errorf("%d drops, %v", n, err)
	}
}
