package encap_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestARP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, encap.ARPSize, encap.ARPSize)
		senderMAC, targetMAC := encap.MAC(drawBytes(t, 6, 6)), encap.MAC(drawBytes(t, 6, 6))
		senderIP, targetIP := [4]byte(drawBytes(t, 4, 4)), [4]byte(drawBytes(t, 4, 4))
		encap.PutARP(b, encap.ARPReply)
		a := encap.ARP(b)
		a.SetSender(senderMAC, senderIP)
		a.SetTarget(targetMAC, targetIP)

		if !a.Valid() || a.Operation() != encap.ARPReply ||
			a.SenderMAC() != senderMAC || a.SenderIP() != senderIP ||
			a.TargetMAC() != targetMAC || a.TargetIP() != targetIP {
			t.Fatalf("read back wrong: % x", b)
		}
		var want layers.ARP
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if want.Operation != layers.ARPReply || want.AddrType != layers.LinkTypeEthernet ||
			want.Protocol != layers.EthernetTypeIPv4 ||
			!bytes.Equal(want.SourceHwAddress, senderMAC[:]) || !bytes.Equal(want.SourceProtAddress, senderIP[:]) ||
			!bytes.Equal(want.DstHwAddress, targetMAC[:]) || !bytes.Equal(want.DstProtAddress, targetIP[:]) {
			t.Fatalf("gopacket reads %+v", want)
		}
	})
}

// Any change to the six bytes that say what kind of addresses follow is noticed.
func TestARPValid(t *testing.T) {
	b := make([]byte, encap.ARPSize)
	encap.PutARP(b, encap.ARPRequest)
	for i := range 6 {
		b[i] ^= 0x10
		if encap.ARP(b).Valid() {
			t.Errorf("% x is taken for IPv4 over Ethernet", b[:8])
		}
		b[i] ^= 0x10
	}
	if !encap.ARP(b).Valid() {
		t.Errorf("% x is not taken for IPv4 over Ethernet", b[:8])
	}
}
