package netlab_test

import (
	"net"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Inside sees the interfaces of the namespace that it was told, and no others.
func TestInside(t *testing.T) {
	lab, err := netlab.New("inside")
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	h, err := lab.Host("h")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = netlab.Inside(h.Path(), func() error {
		list, err := net.Interfaces()
		for _, i := range list {
			names = append(names, i.Name)
		}
		return err
	})
	if err != nil || len(names) != 1 || names[0] != "lo" {
		t.Errorf("interfaces %v, %v", names, err)
	}
	if err := netlab.Inside("no-such-namespace", func() error { return nil }); err == nil {
		t.Error("was inside a namespace that is not there")
	}
}
