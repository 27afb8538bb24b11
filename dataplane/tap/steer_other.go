//go:build !linux

package tap

import "errors"

// CanSteer says why the system would not keep flows on their queue; only Linux would.
func CanSteer() error { return errors.ErrUnsupported }
