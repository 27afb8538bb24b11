package tap

import "github.com/songgao/water"

// needs is what has to be installed for a TAP.
const needs = "tuntaposx, which has to be installed"

// parameters selects the third-party driver: macOS's own utun carries IP packets, not
// Ethernet frames. Its devices are called tap0, tap1, ...
func parameters(c Config) water.PlatformSpecificParams {
	return water.PlatformSpecificParams{Name: c.Name, Driver: water.MacOSDriverTunTapOSX}
}
