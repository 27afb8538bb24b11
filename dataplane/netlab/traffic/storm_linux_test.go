package traffic_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// What a storm says that it sent is what comes, each packet by itself and of its size.
func TestStorm(t *testing.T) {
	for _, trains := range []bool{false, true} {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetReadBuffer(4 << 20); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		r, err := traffic.Storm(ctx, traffic.Here, traffic.StormConfig{
			To:      netip.MustParseAddrPort(conn.LocalAddr().String()),
			Packets: [][]byte{{1}, make([]byte, 100)}, Flows: 3, Rate: 1000, Trains: trains,
		})
		if err != nil || r.Sent == 0 || r.Rate() == 0 {
			t.Fatalf("storm %+v: %v", r, err)
		}
		sizes := map[int]uint64{}
		buf := make([]byte, 1<<16)
		for sizes[1]+sizes[100] < r.Sent {
			if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("%d of %d datagrams: %v", sizes, r.Sent, err)
			}
			sizes[n]++
		}
		if len(sizes) != 2 {
			t.Errorf("datagrams of sizes %v came", sizes)
		}
	}
}
