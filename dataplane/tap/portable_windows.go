package tap

import (
	"errors"
	"fmt"

	"github.com/songgao/water"
)

// needs is what has to be installed for a device.
func needs(Config) string {
	return "tap-windows, which has to be installed (OpenVPN brings it)"
}

// parameters selects an adapter of tap-windows by its friendly name.
func parameters(c Config) water.PlatformSpecificParams {
	return water.PlatformSpecificParams{ComponentID: "tap0901", InterfaceName: c.Name}
}

func setMTU(string, int) error {
	return fmt.Errorf("setting the MTU is not done on Windows, use the system's own tools: %w", errors.ErrUnsupported)
}

// checkTUN refuses a TUN: tap-windows only acts as one, and a TAP serves as well.
func checkTUN(c Config) error {
	if !c.TUN {
		return nil
	}
	return fmt.Errorf("a TUN is not made on Windows, where tap-windows makes a TAP: %w", errors.ErrUnsupported)
}
