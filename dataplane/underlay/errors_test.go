package underlay_test

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/underlay"
)

func TestErrorsAreOneLineThatSaysWhatToDo(t *testing.T) {
	local := netip.MustParseAddrPort("10.9.0.1:4789")
	for _, test := range []struct {
		err  error
		want string
	}{
		{&underlay.PortTakenError{Local: local, Owner: "kernel VXLAN interface vxlan7"},
			"UDP 10.9.0.1:4789 is taken by kernel VXLAN interface vxlan7; stop it, or choose another --port"},
		{&underlay.NoAddressError{Addr: local.Addr()},
			"no interface has address 10.9.0.1; add it or choose another --local"},
		{&underlay.SendError{Remote: local, Err: syscall.EIO},
			"sending to 10.9.0.1:4789: " + syscall.EIO.Error()},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	tentative := (&underlay.NoAddressError{Addr: local.Addr(), Tentative: true}).Error()
	if !strings.Contains(tentative, "10.9.0.1 is not usable yet") || strings.Contains(tentative, "\n") {
		t.Error(tentative)
	}
}
