//go:build !linux

package underlay

// openDriver opens the portable driver, the only one outside Linux.
func openDriver(config Config) (driver, error) { return openPortable(config) }
