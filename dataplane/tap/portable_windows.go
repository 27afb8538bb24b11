package tap

import "github.com/songgao/water"

// needs is what has to be installed for a TAP.
const needs = "tap-windows, which has to be installed (OpenVPN brings it)"

// parameters selects an adapter of tap-windows by its friendly name.
func parameters(c Config) water.PlatformSpecificParams {
	return water.PlatformSpecificParams{ComponentID: "tap0901", InterfaceName: c.Name}
}
