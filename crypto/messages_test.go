package crypto

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The sizes that the documentation of the package gives.
func TestSizes(t *testing.T) {
	for name, c := range map[string]struct{ got, want int }{
		"initiation":   {initiationSize, 196},
		"response":     {responseSize, 138},
		"reply":        {answerSize, 56},
		"sign":         {signSize, 52},
		"hello":        {len((&hello{}).append(nil)), initiationPayload},
		"welcome":      {len((&welcome{}).append(nil)), responsePayload},
		"body of sign": {len(sign{}.append(nil)), signBody},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, c.got, c.want)
		}
	}
}

func anyAddress(r *rapid.T) netip.AddrPort {
	ip, ok := netip.AddrFromSlice(rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 4, 4), rapid.SliceOfN(rapid.Byte(), 16, 16)).Draw(r, "ip"))
	if ip = ip.Unmap(); !ok || ip.IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, rapid.Uint16().Draw(r, "port"))
}

func TestPayloadsRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := hello{
			stamp:     stamp(rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(r, "stamp")),
			challenge: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "challenge")),
			number:    rapid.Uint64().Draw(r, "number"), index: rapid.Uint32().Draw(r, "index"),
			queues: rapid.Uint8().Draw(r, "queues"), nat: rapid.Bool().Draw(r, "nat"), claimed: anyAddress(r),
		}
		var h2 hello
		if h2.parse(h.append(nil)); h2 != h {
			t.Fatalf("%+v became %+v", h, h2)
		}
		w := welcome{number: h.number, index: h.index, queues: h.queues, nat: h.nat, claimed: anyAddress(r), observed: anyAddress(r)}
		var w2 welcome
		if w2.parse(w.append(nil)); w2 != w {
			t.Fatalf("%+v became %+v", w, w2)
		}
		s := sign{answer: h.nat, observed: anyAddress(r)}
		if got := parseSign(s.append(nil)); got != s {
			t.Fatalf("%+v became %+v", s, got)
		}
	})
}

func TestStampsGoUp(t *testing.T) {
	base := time.Unix(1_900_000_000, 999_999_999)
	last := stampOf(base)
	for _, d := range []time.Duration{1, 1, -time.Hour, 0, time.Hour, -time.Nanosecond} {
		base = base.Add(d)
		now := laterStamp(last, stampOf(base))
		if bytes.Compare(now[:], last[:]) <= 0 {
			t.Errorf("%x after %x", now, last)
		}
		last = now
	}
	if got := stampOf(time.Time{}); got[0] != 0 {
		t.Errorf("a time before 1970 is %x", got)
	}
}

// A bucket lets through a burst, then the rate, and no more after a rest.
func TestBucket(t *testing.T) {
	var b bucket
	now := time.Hour
	count := func() (n int) {
		for b.take(now, 10, 20) {
			n++
		}
		return n
	}
	if got := count(); got != 20 {
		t.Errorf("%d at once, want 20", got)
	}
	now += time.Second
	if got := count(); got != 10 {
		t.Errorf("%d after a second, want 10", got)
	}
	now += time.Hour
	if got := count(); got != 20 {
		t.Errorf("%d after an hour, want 20", got)
	}
}

func TestKeyIndex(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		epochs := make(map[uint32]*epoch)
		for _, i := range rapid.SliceOf(rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(1, 20))).Draw(r, "indices") {
			epochs[i] = &epoch{receive: new(RecvKey)}
		}
		x := newKeyIndex(epochs)
		for _, i := range append(rapid.SliceOf(rapid.Uint32Range(0, 30)).Draw(r, "others"), 0) {
			var want *RecvKey
			if e := epochs[i]; e != nil {
				want = e.receive
			}
			if x.find(i) != want {
				t.Fatalf("index %d", i)
			}
		}
		for i, e := range epochs {
			if x.find(i) != e.receive {
				t.Fatalf("index %d is not found", i)
			}
		}
	})
}

// What workers ask per packet allocates nothing.
func TestLookupsDoNotAllocate(t *testing.T) {
	n, err := NewNode(Config{Identity: PrivateKey{1, 2}, Queues: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.AddPeer(PeerConfig{Public: PrivateKey{3, 4}.Public(), VTEP: netip.MustParseAddrPort("10.0.0.1:4789")})
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() {
		n.Receiving(7)
		p.Sending()
		p.Endpoint()
		p.FromListener()
		p.VTEP()
		p.Want()
		p.Heard(p.Endpoint())
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
