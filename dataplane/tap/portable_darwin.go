package tap

import (
	"fmt"
	"strings"

	"github.com/songgao/water"
	"golang.org/x/sys/unix"
)

// needs is what has to be installed for a device.
func needs(c Config) string {
	if c.TUN {
		return "utun, which macOS has: run as root"
	}
	return "tuntaposx, which has to be installed; or make a TUN, which macOS has by itself"
}

// parameters selects the driver. macOS's own, utun, carries IP packets and no Ethernet
// frames; for those there is a third party's, whose devices are called tap0, tap1, ... A
// utun has a name like utun5, and whoever asks for another gets one of the system's choice.
func parameters(c Config) water.PlatformSpecificParams {
	if !c.TUN {
		return water.PlatformSpecificParams{Name: c.Name, Driver: water.MacOSDriverTunTapOSX}
	}
	p := water.PlatformSpecificParams{Driver: water.MacOSDriverSystem}
	if strings.HasPrefix(c.Name, "utun") {
		p.Name = c.Name
	}
	return p
}

// setMTU sets the MTU of an interface.
func setMTU(name string, mtu int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("set MTU %d: %w", mtu, err)
	}
	defer unix.Close(fd)
	req := unix.IfreqMTU{MTU: int32(mtu)}
	copy(req.Name[:], name)
	if err := unix.IoctlSetIfreqMTU(fd, &req); err != nil {
		return fmt.Errorf("set MTU %d: %w", mtu, err)
	}
	return nil
}

// checkTUN says why this system has no TUN as c asks for.
func checkTUN(Config) error { return nil }
