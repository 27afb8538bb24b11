package api_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/control/api"
)

func TestTOSText(t *testing.T) {
	if got := (api.TOS{}).String(); got != "inherit" {
		t.Errorf("the zero TOS is %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := api.TOS{Fixed: true, Value: rapid.Uint8().Draw(t, "tos")}
		var got api.TOS
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%v came back as %v, %v", want, got, err)
		}
	})
	for _, bad := range []string{"", "256", "-1", "Inherit", "af41"} {
		var tos api.TOS
		if err := tos.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q became %v", bad, tos)
		}
	}
}

func TestMaskText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := api.Mask(rapid.Uint64().Draw(t, "mask"))
		var got api.Mask
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%v came back as %v, %v", want, got, err)
		}
	})
	for _, bad := range []string{"", "x", "-1", "0x10000000000000000"} {
		var m api.Mask
		if err := m.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q became %v", bad, m)
		}
	}
}
