package ipam_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/control/ipam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func prefix(s string) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	return netip.MustParsePrefix(s)
}

func none(netip.Addr) bool { return false }

func addPool(t *testing.T, b *ipam.Book, subnet, part string) string {
	t.Helper()
	id, err := b.AddPool(prefix(subnet), prefix(part), subnet != "" && prefix(subnet).Addr().Is6(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAddPool(t *testing.T) {
	var b ipam.Book
	addPool(t, &b, "10.1.0.0/16", "10.1.2.0/24")
	routes := []netip.Prefix{prefix("192.168.0.0/16"), prefix("10.128.0.0/23"), prefix("fd00::/16")}
	for _, tt := range []struct {
		subnet, part string
		v6           bool
		want         error
	}{
		{"10.1.0.0/16", "", false, ipam.ErrOverlap},
		{"10.0.0.0/8", "", false, ipam.ErrOverlap},
		{"192.168.77.0/24", "", false, ipam.ErrOverlap},
		{"10.2.0.1/16", "", false, ipam.ErrInvalid},
		{"10.2.0.0/31", "", false, ipam.ErrInvalid},
		{"224.0.0.0/24", "", false, ipam.ErrInvalid},
		{"fd01::/64", "", false, ipam.ErrInvalid},
		{"10.2.0.0/16", "", true, ipam.ErrInvalid},
		{"10.2.0.0/16", "10.3.0.0/24", false, ipam.ErrInvalid},
		{"10.2.0.0/16", "10.0.0.0/8", false, ipam.ErrInvalid},
		{"", "10.2.0.0/24", false, ipam.ErrInvalid},
	} {
		if id, err := b.AddPool(prefix(tt.subnet), prefix(tt.part), tt.v6, routes); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %q, %v", tt, id, err)
		}
	}
	for i, want := range []string{"10.128.2.0/24", "10.128.3.0/24", "fd76:7874:6170::/64", "fd76:7874:6170:1::/64"} {
		if id, err := b.AddPool(netip.Prefix{}, netip.Prefix{}, i > 1, routes); id != want || err != nil {
			t.Errorf("by default %s, %v; want %s", id, err, want)
		}
	}
	b.RemovePool("10.1.0.0/16")
	b.RemovePool("10.1.0.0/16")
	addPool(t, &b, "10.1.0.0/16", "")
}

func TestTake(t *testing.T) {
	var b ipam.Book
	id := addPool(t, &b, "10.1.0.0/29", "10.1.0.4/30")
	take := func(addr string, avoid func(netip.Addr) bool) string {
		var a netip.Addr
		if addr != "" {
			a = netip.MustParseAddr(addr)
		}
		p, err := b.Take(id, a, avoid)
		if err != nil {
			for _, kind := range []error{ipam.ErrTaken, ipam.ErrExhausted, ipam.ErrInvalid} {
				if errors.Is(err, kind) {
					return kind.Error()
				}
			}
			return err.Error()
		}
		return p.String()
	}
	give := func(addr string) {
		if err := b.Give(id, netip.MustParseAddr(addr)); err != nil {
			t.Error(err)
		}
	}
	avoid5 := func(a netip.Addr) bool { return a == netip.MustParseAddr("10.1.0.5") }
	for i, tt := range []struct {
		got, want string
	}{
		{take("", none), "10.1.0.4/29"},
		{take("", avoid5), "10.1.0.6/29"},
		{take("", avoid5), ipam.ErrExhausted.Error()}, // .7 is the broadcast address
		{take("10.1.0.6", none), ipam.ErrTaken.Error()},
		{take("10.1.0.1", none), "10.1.0.1/29"}, // out of the range, for who names it
		{take("10.1.0.0", none), ipam.ErrInvalid.Error()},
		{take("10.1.0.7", none), ipam.ErrInvalid.Error()},
		{take("10.1.0.8", none), ipam.ErrInvalid.Error()},
	} {
		if tt.got != tt.want {
			t.Errorf("step %d: %s, want %s", i, tt.got, tt.want)
		}
	}
	give("10.1.0.6")
	give("10.1.0.6")
	if got := take("", none); got != "10.1.0.5/29" { // round the end, and not .6 at once
		t.Errorf("then %s", got)
	}
	if got := take("", none); got != "10.1.0.6/29" {
		t.Errorf("then %s", got)
	}
	if _, err := b.Take("x", netip.Addr{}, none); !errors.Is(err, ipam.ErrNoPool) {
		t.Errorf("of no pool: %v", err)
	}
	if err := b.Give("x", netip.Addr{}); !errors.Is(err, ipam.ErrNoPool) {
		t.Errorf("to no pool: %v", err)
	}
}

// Whatever is asked for in whatever order, no address is given out twice, and a book is the
// same after it was written down.
func TestBookHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b ipam.Book
		subnet := rapid.SampledFrom([]string{"10.1.0.0/28", "10.1.0.16/29", "fd01::/124", "255.255.255.248/29"}).Draw(t, "subnet")
		id, err := b.AddPool(prefix(subnet), netip.Prefix{}, prefix(subnet).Addr().Is6(), nil)
		if err != nil {
			t.Fatal(err)
		}
		held := map[netip.Addr]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				p, err := b.Take(id, netip.Addr{}, none)
				switch {
				case errors.Is(err, ipam.ErrExhausted):
					room := 1<<(prefix(subnet).Addr().BitLen()-prefix(subnet).Bits()) - 1
					if prefix(subnet).Addr().Is4() {
						room--
					}
					if len(held) != room {
						t.Fatalf("exhausted with %d of %d", len(held), room)
					}
				case err != nil || held[p.Addr()] || !prefix(subnet).Contains(p.Addr()) || p.Bits() != prefix(subnet).Bits():
					t.Fatalf("%v, %v", p, err)
				default:
					held[p.Addr()] = true
				}
			},
			"name": func(t *rapid.T) {
				a := prefix(subnet).Addr()
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					a = a.Next()
				}
				if !a.IsValid() {
					return
				}
				if _, err := b.Take(id, a, none); err == nil {
					if held[a] {
						t.Fatalf("%v twice", a)
					}
					held[a] = true
				} else if !held[a] && errors.Is(err, ipam.ErrTaken) {
					t.Fatalf("%v is free: %v", a, err)
				}
			},
			"give": func(t *rapid.T) {
				for a := range held {
					delete(held, a)
					if err := b.Give(id, a); err != nil {
						t.Fatal(err)
					}
					break
				}
			},
			"": func(t *rapid.T) {
				text, err := json.Marshal(b)
				var again ipam.Book
				if err == nil {
					err = json.Unmarshal(text, &again)
				}
				if err != nil || fmt.Sprint(again.Pools[id]) != fmt.Sprint(b.Pools[id]) && !reflect.DeepEqual(again, b) {
					t.Fatalf("%s: %v", text, err)
				}
			},
		})
	})
}

// An address that was given back is not the next one to be given out.
func TestNotAtOnceAgain(t *testing.T) {
	var b ipam.Book
	id := addPool(t, &b, "10.1.0.0/24", "")
	for _, want := range []string{"10.1.0.1/24", "10.1.0.2/24", "10.1.0.3/24"} {
		p, err := b.Take(id, netip.Addr{}, none)
		if err != nil || p.String() != want {
			t.Errorf("given out is %v, %v; want %s", p, err, want)
		}
		if err := b.Give(id, p.Addr()); err != nil {
			t.Error(err)
		}
	}
}
