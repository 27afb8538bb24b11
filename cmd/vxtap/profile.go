package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// profileVariable names a file for a CPU profile of any command, from its beginning to
// its end.
const profileVariable = "VXTAP_CPUPROFILE"

// profiled runs a command and writes a CPU profile of it to a file; none if path is empty.
func profiled(path string, command func() error) error {
	if path == "" {
		return command()
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write a CPU profile, as %s says: %w", profileVariable, err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("profile the CPU: %w", errors.Join(err, f.Close()))
	}
	err = command()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
