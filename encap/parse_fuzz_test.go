package encap_test

import (
	"strings"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// FuzzParseMAC: what is taken is written in one way, which means the same.
func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"02:42:0a:00:00:01", "FF-FF-FF-FF-FF-FF", "02:42-0a:00:00:01", "02:42:0a:00:00", "0242.0a00.0001", "02:42:0a:00:00:0g", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := encap.ParseMAC(s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "bad MAC address ") || m != (encap.MAC{}) {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		if again, err := encap.ParseMAC(m.String()); err != nil || again != m {
			t.Fatalf("%q is %v, which is %v, %v", s, m, again, err)
		}
		if want := strings.ToLower(strings.ReplaceAll(s, "-", ":")); m.String() != want {
			t.Fatalf("%q is %v, want %v", s, m, want)
		}
		if encap.MACFromUint64(m.Uint64()) != m {
			t.Fatalf("%v is another as a number", m)
		}
	})
}

// FuzzParseVNI: what is taken is valid, and what it is written as means the same.
func FuzzParseVNI(f *testing.F) {
	for _, s := range []string{"1", "42", "16777215", "16777216", "0", "-1", "+1", "007", "4294967338", "0x2a", " 1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := encap.ParseVNI(s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "bad VNI ") || v != 0 {
				t.Fatalf("%v, %v", v, err)
			}
			return
		}
		if again, err := encap.ParseVNI(v.String()); err != nil || again != v || !v.Valid() {
			t.Fatalf("%q is %v, which is %v, %v", s, v, again, err)
		}
		if want := strings.TrimLeft(s, "0"); v.String() != want {
			t.Fatalf("%q is %v", s, v)
		}
	})
}
