//go:build !linux && !darwin && !windows

package tap

import (
	"context"
	"errors"
	"runtime"

	"github.com/vxtap/vxtap/encap"
)

// platform has nothing.
type platform struct{}

// open fails: neither driver knows this system.
func open(Config) (*Device, error) {
	return nil, refuse(ErrNoTUN, errors.ErrUnsupported,
		"TAP devices do not run on %s: Linux, macOS and Windows are supported", runtime.GOOS)
}

func (d *Device) now() (encap.MAC, int, error) { return encap.MAC{}, 0, errors.ErrUnsupported }

func (d *Device) kernelDrops() (uint64, error) { return 0, errors.ErrUnsupported }

func (d *Device) addressing() (Addressing, error) { return Addressing{}, errors.ErrUnsupported }

func (d *Device) move(string) error { return errors.ErrUnsupported }

func (d *Device) setMTU(int) error { return errors.ErrUnsupported }

func (d *Device) follow(context.Context) (string, error) { return "", errors.ErrUnsupported }
