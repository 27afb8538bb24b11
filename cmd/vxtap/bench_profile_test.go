package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// Time counts for the function that ran, however it was called.
func TestHotspots(t *testing.T) {
	location := func(name string) *profile.Location {
		return &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}}
	}
	hot, warm, caller := location("hot"), location("warm"), location("caller")
	seconds, list := hotspots(&profile.Profile{Sample: []*profile.Sample{
		{Location: []*profile.Location{hot, caller}, Value: []int64{2, 20e6}},
		{Location: []*profile.Location{warm, caller}, Value: []int64{1, 10e6}},
		{Location: []*profile.Location{hot}, Value: []int64{1, 10e6}},
	}})
	if math.Abs(seconds-0.04) > 1e-9 || len(list) != 2 || list[0] != (benchHotspot{"hot", 0.75}) || list[1] != (benchHotspot{"warm", 0.25}) {
		t.Errorf("%v s in %v", seconds, list)
	}
}

func TestProfiled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	if err := profiled(path, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readHotspots(path); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("no profile"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readHotspots(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("of something else: %v", err)
	}
	err := profiled(filepath.Join(path, "below"), func() error { t.Error("the command ran"); return nil })
	if err == nil || !strings.Contains(err.Error(), profileVariable) {
		t.Errorf("to a file that cannot be: %v", err)
	}
}
