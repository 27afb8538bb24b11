//go:build darwin || windows

package tap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/songgao/water"
	"github.com/vxtap/vxtap/encap"
)

// platform has nothing: the system is not asked about the interface again.
type platform struct{}

// open makes a device of the portable driver. What it is called and its MAC are the
// system's; addresses are given by its own tools.
func open(c Config) (*Device, error) {
	if err := errors.Join(checkPortable(c), checkTUN(c)); err != nil {
		return nil, err
	}
	w, err := water.New(water.Config{DeviceType: c.deviceType(), PlatformSpecificParams: parameters(c)})
	if err != nil {
		return nil, refuse(ErrNoTUN, err, "no %s from %s: %v", c.kind(), needs(c), err)
	}
	d, err := describe(w, c)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	size := d.mtu + encap.EthernetSize + 2*encap.VLANTagSize
	d.queues = []*Queue{{newPortableQueue(d.name, w, size, c.skipped())}}
	return d, nil
}

// describe returns the device of w, as the system has it.
func describe(w *water.Interface, c Config) (*Device, error) {
	if c.MTU != 0 {
		if err := setMTU(w.Name(), c.MTU); err != nil {
			return nil, err
		}
	}
	in, err := net.InterfaceByName(w.Name())
	if err != nil {
		return nil, err
	}
	d := &Device{name: w.Name(), driver: "portable water", mac: c.MAC, mtu: in.MTU, granted: nothing(errPortable)}
	if c.TUN {
		return d, nil
	}
	if len(in.HardwareAddr) != len(encap.MAC{}) {
		return nil, fmt.Errorf("interface %s is not Ethernet", w.Name())
	}
	d.mac = encap.MAC(in.HardwareAddr)
	return d, nil
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
	case !c.MAC.IsZero() && !c.TUN:
		what = "setting the MAC"
	case c.Queues > 1:
		what = "more than one queue"
	default:
		return nil
	}
	return fmt.Errorf("%s is not done on %s, use the system's own tools: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

func (d *Device) addressing() (a Addressing, err error) {
	in, err := net.InterfaceByName(d.name)
	if err != nil {
		return a, err
	}
	list, err := in.Addrs()
	for _, addr := range list {
		if p, err := netip.ParsePrefix(addr.String()); err == nil {
			a.Addresses = append(a.Addresses, p)
		}
	}
	a.Routes = implied(a.Addresses)
	return a, err
}

func (d *Device) now() (encap.MAC, int, error) { return encap.MAC{}, 0, errors.ErrUnsupported }

func (d *Device) kernelDrops() (uint64, error) { return 0, errors.ErrUnsupported }

func (d *Device) move(string) error { return errors.ErrUnsupported }

func (d *Device) setMTU(int) error { return errors.ErrUnsupported }

func (d *Device) follow(context.Context) (string, error) { return "", errors.ErrUnsupported }

// isGone is for errors that only Linux tells apart.
func isGone(error) bool { return false }

// implied are the routes that an interface with these addresses has by itself.
func implied(addresses []netip.Prefix) (list []NextHop) {
	for _, p := range addresses {
		list = append(list, NextHop{To: p.Masked()})
		if p.Addr().Is4() && p.Bits() < 31 {
			list = append(list, NextHop{To: netip.PrefixFrom(lastOf(p), 32), Broadcast: true})
		}
	}
	return list
}

// lastOf returns the broadcast address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(a)
}
