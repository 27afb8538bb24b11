package underlay_test

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// BenchmarkLoopback sends batches of 32 datagrams of 1450 bytes over loopback and
// receives them, in ns per datagram.
func BenchmarkLoopback(b *testing.B) {
	for name, portable := range map[string]bool{"default": false, "portable": true} {
		b.Run(name, func(b *testing.B) {
			config := underlay.Config{Local: netip.AddrPortFrom(v4, 0), Portable: portable}
			from, err := underlay.Open(config)
			if err != nil {
				b.Fatal(err)
			}
			defer from.Close()
			to, err := underlay.Open(config)
			if err != nil {
				b.Fatal(err)
			}
			defer to.Close()
			out, in, buffer := make([]encap.Datagram, 32), make([]encap.Datagram, 32), make([]byte, 1<<16)
			for i := range out {
				out[i] = encap.Datagram{Data: pattern(50), More: [][]byte{pattern(1400)}, Remote: to.Local(), TOS: 2, TTL: 64}
			}
			b.ReportAllocs()
			for sent := 0; sent < b.N; sent += len(out) {
				send(b, from, out...)
				for got := 0; got < len(out); {
					for i := range in {
						in[i].Data = buffer
					}
					n, err := to.Recv(in)
					if err != nil {
						b.Fatal(err)
					}
					got += n
				}
			}
		})
	}
}
