//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func runBench(context.Context, *env, *benchOptions) error {
	return fmt.Errorf("bench makes its hosts out of network namespaces, which only Linux has, and this is %s: %w",
		runtime.GOOS, errors.ErrUnsupported)
}
