package mem_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// What is posted comes from the listening address and in one piece.
func TestPost(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 4})
	b := listen(t, n, addrB, mem.UnderlayConfig{})
	for _, source := range []uint8{0, 3, 4, encap.SourceListen} {
		d := encap.Datagram{
			Data: []byte("he"), More: [][]byte{nil, []byte("llo")},
			Remote: addrB, Source: source, SegmentSize: 2, TOS: 0xb8, TTL: 7,
		}
		if err := a.Post(&d); err != nil {
			t.Fatal(err)
		}
		want := encap.Datagram{Data: []byte("hello"), Remote: addrA, TOS: 0xb8, TTL: 7}
		if got := recv(t, b, 100); len(got) != 1 || !sameDatagram(got[0], want) {
			t.Errorf("source %d: received %+v", source, got)
		}
	}
}

func TestPostErrors(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{MTU: 1500}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{})
	for want, d := range map[error]encap.Datagram{
		syscall.EMSGSIZE:     {Data: ether(1473, 0), Remote: addrA},
		syscall.ENETUNREACH:  {Remote: addrB},
		syscall.EAFNOSUPPORT: {Remote: addr6},
	} {
		if err := a.Post(&d); !errors.Is(err, want) {
			t.Errorf("Post: %v, want %v", err, want)
		}
	}
	a.Close()
	if err := a.Post(&encap.Datagram{Remote: addrA}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Many post while one sends.
func TestPostBesideSend(t *testing.T) {
	const posters, rounds = 4, 200
	n := mem.NewNetwork(mem.Impairments{}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 4})
	b := listen(t, n, addrB, mem.UnderlayConfig{Depth: (posters + 1) * rounds})
	var senders sync.WaitGroup
	for who := range byte(posters) {
		senders.Go(func() {
			for range rounds {
				d := encap.Datagram{Data: []byte{who}, More: [][]byte{{who}}, Remote: addrB}
				if err := a.Post(&d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Go(func() {
		for range rounds {
			d := encap.Datagram{Data: []byte{posters}, More: [][]byte{{posters}}, Remote: addrB, Source: 1}
			if _, err := a.Send([]encap.Datagram{d}); err != nil {
				t.Error(err)
			}
		}
	})
	senders.Wait()
	var count [posters + 1]int
	for received := 0; received < (posters+1)*rounds; {
		for _, d := range recv(t, b, 10) {
			received++
			who := d.Data[0]
			count[who]++
			if sent := who == posters; !bytes.Equal(d.Data, []byte{who, who}) || sent == (d.Remote == addrA) {
				t.Fatalf("%x from %v", d.Data, d.Remote)
			}
		}
	}
	for who, n := range count {
		if n != rounds {
			t.Errorf("%d of %d datagrams of sender %d", n, rounds, who)
		}
	}
}

// What becomes of what is sent does not hang on what is posted.
func TestPostLeavesTheLuckOfSend(t *testing.T) {
	fates := func(posts int) uint64 {
		n := mem.NewNetwork(mem.Impairments{Loss: 0.5}, 7)
		a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{Depth: 100})
		var got uint64
		for i := range 64 {
			for range posts {
				if err := a.Post(&encap.Datagram{Remote: addrA}); err != nil {
					t.Fatal(err)
				}
			}
			send(t, a, encap.Datagram{Data: []byte{byte(i)}, Remote: addrB, Source: encap.SourceListen})
		}
		for _, d := range recv(t, b, 10) {
			got |= 1 << d.Data[0]
		}
		return got
	}
	if without, with := fates(0), fates(3); without != with {
		t.Errorf("%064b arrive without posts, %064b with", without, with)
	}
}
