package traffic

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// What does not fit the sink's socket is lost, and known to be the sink's doing.
func TestSinkKnowsItsOwnDrops(t *testing.T) {
	lo := netip.MustParseAddr("127.0.0.1")
	rx, ports, err := newReceiver(Here, lo, request{Token: 7, Flows: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer rx.close()
	if err := unix.SetsockoptInt(rx.sockets[0].fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 20000); err != nil {
		t.Fatal(err)
	}
	tx, err := NewClient(Here, netip.AddrPortFrom(lo, 1)).newSender(UDPConfig{Sizes: []int{64}, Flows: 1}, ports, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.socket.close()
	for tx.number < 1000 { // nobody receives yet
		if _, err := tx.send(50); err != nil {
			t.Fatal(err)
		}
	}
	rx.sent.Store(tx.number)
	c := rx.run()
	if c.Err != "" || c.Received == 0 || c.SinkDrops == 0 || c.Received+c.SinkDrops != tx.number {
		t.Errorf("of %d sent: %+v", tx.number, c)
	}
	r := UDPResult{Sent: tx.number, Received: c.Received}
	if want := float64(c.SinkDrops) / float64(tx.number); r.Loss() < want-1e-9 || r.Loss() > want+1e-9 {
		t.Errorf("loss %v, want %v", r.Loss(), want)
	}
}

// Datagrams of another measurement, and ones too short to tell, are not counted.
func TestStrangersAreNotCounted(t *testing.T) {
	b := make([]byte, 64)
	putHeader(b, 7, 42)
	if n, ok := parseHeader(b, 7); !ok || n != 42 {
		t.Errorf("own: %d, %t", n, ok)
	}
	if _, ok := parseHeader(b, 8); ok {
		t.Error("another measurement's was counted")
	}
	if _, ok := parseHeader(b[:headerSize-1], 7); ok {
		t.Error("eleven bytes were counted")
	}
}
