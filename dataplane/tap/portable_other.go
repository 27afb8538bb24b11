//go:build darwin || windows

package tap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"

	"github.com/songgao/water"
	"github.com/vxtap/vxtap/encap"
)

// platform has nothing: the system is not asked about the interface again.
type platform struct{}

// open makes a device of the portable driver. What it is called, its MTU and its MAC
// are the system's; addresses are given by its own tools.
func open(c Config) (*Device, error) {
	if err := checkPortable(c); err != nil {
		return nil, err
	}
	w, err := water.New(water.Config{DeviceType: water.TAP, PlatformSpecificParams: parameters(c)})
	if err != nil {
		return nil, refuse(ErrNoTUN, err, "no TAP from %s: %v", needs, err)
	}
	in, err := net.InterfaceByName(w.Name())
	if err == nil && len(in.HardwareAddr) != len(encap.MAC{}) {
		err = fmt.Errorf("interface %s is not Ethernet", w.Name())
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	size := in.MTU + encap.EthernetSize + 2*encap.VLANTagSize
	return &Device{
		name:    w.Name(),
		driver:  "portable water",
		mac:     encap.MAC(in.HardwareAddr),
		mtu:     in.MTU,
		granted: nothing(errPortable),
		queues:  []*Queue{{newPortableQueue(w.Name(), w, size)}},
	}, nil
}

// checkPortable refuses what is only done on Linux, rather than leave it undone.
func checkPortable(c Config) error {
	var what string
	switch {
	case c.NetNS != "":
		what = "a network namespace"
	case len(c.Addresses)+len(c.Routes) > 0:
		what = "setting an address"
	case c.Down:
		what = "leaving an interface down"
	case c.MTU != 0:
		what = "setting the MTU"
	case !c.MAC.IsZero():
		what = "setting the MAC"
	case c.Queues > 1:
		what = "more than one queue"
	default:
		return nil
	}
	return fmt.Errorf("%s is not done on %s, use the system's own tools: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

func (d *Device) kernelDrops() (uint64, error) { return 0, errors.ErrUnsupported }

func (d *Device) move(string) error { return errors.ErrUnsupported }

func (d *Device) setMTU(int) error { return errors.ErrUnsupported }

func (d *Device) follow(context.Context) (string, error) { return "", errors.ErrUnsupported }

// isGone is for errors that only Linux tells apart.
func isGone(error) bool { return false }
