package control_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// FuzzParse holds for every parser that it refuses a word in one line, or takes it for
// something in bounds that is written in words which mean the same.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, word string) {
		again(t, word, control.ParseRemote, func(r netip.AddrPort) (string, bool) {
			if r.Port() == 0 {
				return r.Addr().String(), !r.Addr().Is4In6()
			}
			return r.String(), !r.Addr().Is4In6()
		})
		again(t, word, control.ParseLocal, func(a netip.Addr) (string, bool) { return a.String(), !a.Is4In6() })
		again(t, word, control.ParseAddress, func(p netip.Prefix) (string, bool) { return p.String(), p.IsValid() })
		again(t, word, control.ParseDeviceMAC, func(m encap.MAC) (string, bool) { return m.String(), m.IsUnicast() })
		again(t, word, control.ParseOffload, func(o control.Offload) (string, bool) { return o.String(), true })
		bounded(t, word, control.ParseMTU, 0, encap.MaxMTU)
		bounded(t, word, control.ParseTTL, 1, 255)
		bounded(t, word, control.ParsePort, 1, 65535)
		bounded(t, word, control.ParseQueues, 1, control.MaxQueues)
		if _, err := control.ParseTOS(word); err != nil {
			oneLine(t, err)
		}
		if _, err := control.ParseReservedBits(word); err != nil {
			oneLine(t, err)
		}
		again(t, word, control.ParseRoute, func(r api.Route) (string, bool) {
			if !r.Via.IsValid() {
				return r.To.String(), r.To.IsValid()
			}
			return r.To.String() + "=" + r.Via.String(), r.To.IsValid()
		})
		if e, err := control.ParseStaticEntry(word); err != nil {
			oneLine(t, err)
		} else if e.MAC.IsZero() || !e.Remote.Addr().IsValid() {
			t.Errorf("%q is taken for %v", word, e)
		}
		again(t, word, control.ParsePeer, func(p control.PeerKey) (string, bool) {
			if p.VTEP.Port() == 0 {
				return p.VTEP.Addr().String() + "=" + p.Public.String(), !p.Public.IsZero()
			}
			return p.VTEP.String() + "=" + p.Public.String(), !p.Public.IsZero()
		})
		again(t, word, control.ParseCipher, func(s crypto.Suite) (string, bool) { return s.String(), true })
		if d, err := control.ParseKeepalive(word); err != nil {
			oneLine(t, err)
		} else if d < time.Second {
			t.Errorf("%q is taken for %v", word, d)
		}
		if d, err := control.ParseAgeing(word); err != nil {
			oneLine(t, err)
		} else if d != -1 && d < time.Second {
			t.Errorf("%q is taken for %v", word, d)
		}
	})
}

// again parses a word, and what the value of it is written as.
func again[T comparable](t *testing.T, word string, parse func(string) (T, error), text func(T) (string, bool)) {
	t.Helper()
	v, err := parse(word)
	if err != nil {
		oneLine(t, err)
		return
	}
	s, ok := text(v)
	if w, err := parse(s); !ok || w != v || err != nil {
		t.Errorf("%q is taken for %v, and %q for %v, %v", word, v, s, w, err)
	}
}

// bounded parses a word that is a number.
func bounded[T ~int | ~uint8 | ~uint16](t *testing.T, word string, parse func(string) (T, error), least, most int) {
	t.Helper()
	if v, err := parse(word); err != nil {
		oneLine(t, err)
	} else if int(v) < least || int(v) > most {
		t.Errorf("%q is taken for %d", word, v)
	}
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("an error of several lines: %v", err)
	}
}
