package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/google/pprof/profile"
)

// benchHotspots is where one end of a vxtap spent its time.
type benchHotspots struct {
	Subject   string         `json:"subject"`
	End       string         `json:"end"` // a sends, b receives
	Underlay  string         `json:"underlay"`
	MTU       int            `json:"mtu"`
	File      string         `json:"file"`
	Seconds   float64        `json:"cpu_seconds"`
	Functions []benchHotspot `json:"functions"`
}

// benchHotspot is the time spent in one function itself, not in what it calls.
type benchHotspot struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of all, 0 to 1
}

// Percent is the share for people.
func (h benchHotspot) Percent() string { return fmt.Sprintf("%.1f %%", 100*h.Share) }

// hottest is how many functions are shown.
const hottest = 10

// readHotspots reads a CPU profile.
func readHotspots(path string) (seconds float64, hot []benchHotspot, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, fmt.Errorf("read a profile: %w", err)
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return 0, nil, fmt.Errorf("read profile %s: %w", path, err)
	}
	seconds, hot = hotspots(p)
	return seconds, hot, nil
}

// hotspots are the functions in which most samples were taken. The last value of a CPU
// profile's samples is nanoseconds; the first line of the first location is the function
// that ran, inlined or not.
func hotspots(p *profile.Profile) (seconds float64, hot []benchHotspot) {
	var total int64
	self := make(map[string]int64)
	for _, s := range p.Sample {
		nanos := s.Value[len(s.Value)-1]
		total += nanos
		if len(s.Location) > 0 && len(s.Location[0].Line) > 0 {
			self[s.Location[0].Line[0].Function.Name] += nanos
		}
	}
	for name, nanos := range self {
		hot = append(hot, benchHotspot{name, float64(nanos) / float64(total)})
	}
	slices.SortFunc(hot, func(a, b benchHotspot) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Name, b.Name))
	})
	return float64(total) / 1e9, hot[:min(hottest, len(hot))]
}

// text is for people.
func (h *benchHotspots) text() string {
	t := table{indent: "  "}
	for _, f := range h.Functions {
		t.add(fmt.Sprintf("%7s", f.Percent()), f.Name)
	}
	return fmt.Sprintf("%s at %s, %s, MTU %d: %.1f s of CPU (%s)\n%s", h.Subject, h.End, h.Underlay, h.MTU, h.Seconds, h.File, t.text())
}
