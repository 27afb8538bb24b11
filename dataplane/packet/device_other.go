//go:build !linux

package packet

import (
	"fmt"
	"runtime"

	"errors"

	"github.com/vxtap/vxtap/encap"
)

func open(Config) (*Device, error) {
	return nil, fmt.Errorf("interfaces can be bridged on Linux only, not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Queue is one queue of a [Device]; here there is none.
type Queue struct{}

// Read fails.
func (*Queue) Read([]encap.Frame) (int, error) { return 0, errors.ErrUnsupported }

// Write fails.
func (*Queue) Write([]encap.Frame) (int, error) { return 0, errors.ErrUnsupported }

// Offloads is empty.
func (*Queue) Offloads() encap.OffloadSet { return 0 }

// FD returns no descriptor.
func (*Queue) FD() int { return -1 }

// Notify does nothing.
func (*Queue) Notify(func()) {}

func (*Queue) setMTU(int) {}

func (*Queue) lost() (uint64, error) { return 0, errors.ErrUnsupported }

func (*Queue) close() error { return nil }
