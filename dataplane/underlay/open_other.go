//go:build !linux

package underlay

// openDrivers opens the portable driver, the only one outside Linux.
func openDrivers(config Config, n int) ([]driver, error) { return openOnePortable(config, n) }
