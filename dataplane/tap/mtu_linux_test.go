package tap_test

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/tap"
)

// The MTU can be changed wherever the interface is and whatever it is called there, and the
// limits of superframes with it. The portable driver has buffers for what it was opened with.
func TestSetMTU(t *testing.T) {
	for _, portable := range []bool{false, true} {
		h, there := newHost(t), newHost(t)
		d := h.open(tap.Config{MTU: 1450, Portable: portable})
		set := func(mtu int) {
			t.Helper()
			if err := d.SetMTU(mtu); err != nil {
				t.Error(err)
			}
		}
		set(1350)
		if got := h.link("vx42").Attrs().MTU; got != 1350 {
			t.Errorf("portable %v: the MTU is %d", portable, got)
		}
		if err := d.Move(there.path()); err != nil {
			t.Fatal(err)
		}
		there.do(func() error {
			link := there.link("vx42")
			return errors.Join(netlink.LinkSetDown(link), netlink.LinkSetName(link, "eth0"), netlink.LinkSetUp(link))
		})
		set(1450)
		if got := there.link("eth0").Attrs().MTU; got != 1450 {
			t.Errorf("portable %v, elsewhere: the MTU is %d", portable, got)
		}
		err := d.SetMTU(8950)
		switch got := there.link("eth0").Attrs().MTU; {
		case portable && (!errors.Is(err, errors.ErrUnsupported) || got != 1450):
			t.Errorf("more than the buffers hold: %v, and the MTU is %d", err, got)
		case !portable && (err != nil || got != 8950):
			t.Errorf("larger: %v, and the MTU is %d", err, got)
		}
		checkReceives(t, there, d)
		if d.SetMTU(1<<16) == nil {
			t.Error("more than an interface can have was set")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if d.SetMTU(1400) == nil {
			t.Error("a closed device was changed")
		}
	}
}

func TestSetMTULimitsSuperframes(t *testing.T) {
	h := newHost(t)
	d := h.open(tap.Config{MTU: 1450})
	for mtu, want := range map[int]string{
		8950: "7 segments of 62804 bytes, over IPv4 62804",
		1280: "49 segments of 63798 bytes, over IPv4 63798",
	} {
		if err := d.SetMTU(mtu); err != nil {
			t.Fatal(err)
		}
		if got := h.limits(); got != want {
			t.Errorf("MTU %d: %s, want %s", mtu, got, want)
		}
	}
}
