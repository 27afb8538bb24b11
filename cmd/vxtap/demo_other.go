//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func runDemo(context.Context, *env, *demoOptions) error {
	return fmt.Errorf("demo makes its hosts out of network namespaces, which only Linux has, and this is %s: %w",
		runtime.GOOS, errors.ErrUnsupported)
}
