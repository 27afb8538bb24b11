package packet_test

import (
	"bytes"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/packet"
	"github.com/vxtap/vxtap/encap"
)

// Reading and writing allocate nothing, with tags, checksums and superframes.
func TestAllocatesNothing(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	near := open(t, c.host, packet.Config{Interface: "eth1.100"}).Queues()[0]
	far := open(t, c.machine, packet.Config{Interface: "eth0"}).Queues()[0]
	plain := udpFrame(t, stationMAC, otherMAC, hostUDP, machineUDP, pattern(100))
	super := unfinished(t, tcpFrame(t, stationMAC, otherMAC, pattern(20000)), 1000)
	at := int(super.Offload.HeaderLen)
	pieces := encap.Frame{Data: super.Data[:at], More: [][]byte{super.Data[at : at+1000], super.Data[at+1000:]}, Offload: super.Offload}
	batch := []encap.Frame{{Data: plain}, unfinished(t, bytes.Clone(plain), 0), super, pieces}
	bufs, frames := make([][]byte, len(batch)), make([]encap.Frame, len(batch))
	for i := range bufs {
		bufs[i] = make([]byte, encap.ReadBuffer)
	}
	n := testing.AllocsPerRun(200, func() {
		if taken, err := near.Write(batch); taken != len(batch) || err != nil {
			t.Errorf("took %d, %v", taken, err)
		}
		for ours := 0; ours < len(batch); {
			for i := range frames {
				frames[i] = encap.Frame{Data: bufs[i]}
			}
			n, err := far.Read(frames)
			if err != nil {
				t.Fatal(err)
			}
			for i := range frames[:n] {
				if encap.Ethernet(frames[i].Data).Src() == stationMAC {
					ours++
				}
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
