package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// FuzzPathReport: whatever a stranger sends as ICMP, what is believed of it is in the
// message, and says that a datagram was too big.
func FuzzPathReport(f *testing.F) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(1400)
		frame, l := p.frame(f)
		if !p.v6 {
			setDF(frame, &l)
		}
		message := report(frame, 1300)
		f.Add(message, true)
		f.Add(message[:min(len(message), 40)], true)
		f.Add(message, false)
	}
	f.Fuzz(func(t *testing.T, message []byte, right bool) {
		if right && len(message) >= encap.ICMPSize { // past the checksum
			message = bytes.Clone(message)
			binary.BigEndian.PutUint16(message[2:], 0)
			binary.BigEndian.PutUint16(message[2:], ^encap.Sum(message, 0))
		}
		before := bytes.Clone(message)
		if r, ok := encap.ParsePathReport4(message); ok {
			checkReport(t, r, message, encap.IPv4MinSize)
			if encap.Sum(message, 0) != 0xffff {
				t.Fatal("a wrong checksum was believed")
			}
		}
		if r, ok := encap.ParsePathReport6(message); ok {
			checkReport(t, r, message, encap.IPv6Size)
			if r.MTU < encap.MinMTU6 {
				t.Fatalf("a link of %d bytes was believed", r.MTU)
			}
		}
		if !bytes.Equal(message, before) {
			t.Fatal("the message was changed")
		}
	})
}

// checkReport holds what every report that is believed must be.
func checkReport(t *testing.T, r encap.PathReport, message []byte, header int) {
	t.Helper()
	local, remote := r.Local.Addr(), r.Remote.Addr()
	switch {
	case len(message) < encap.ICMPSize+header+encap.UDPSize:
		t.Fatalf("read from %d bytes: %+v", len(message), r)
	case r.Size <= r.MTU || r.Size > 0xffff+encap.IPv6Size || r.MTU < 0:
		t.Fatalf("size and MTU: %+v", r)
	case !bytes.Contains(message, local.AsSlice()) || !bytes.Contains(message, remote.AsSlice()):
		t.Fatalf("addresses: %+v", r)
	case r.Head != [encap.PathReportHead]byte{} && !bytes.Contains(message, r.Head[:]):
		t.Fatalf("head: %+v", r)
	}
}
