package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// latencyView is the distribution of round-trip times: percentiles across, the tail
// drawn out so that each further nine has the same room, and time upwards on a
// logarithmic scale. Both are percentages of the drawing.
type latencyView struct {
	Lines  []latencyLine
	Across []tickView
	Up     []tickView
}

type latencyLine struct{ Name, Class, Points string }

func newLatencyView(results []*benchResult, classes map[string]string) *latencyView {
	low, high := latencyRange(results)
	if high == 0 {
		return nil
	}
	v := &latencyView{}
	height := func(us float64) float64 {
		return math.Round(1e4*(1-math.Log(us/low)/math.Log(high/low))) / 100
	}
	for _, r := range results {
		if r.Latency != nil {
			v.Lines = append(v.Lines, latencyLine{r.Subject, classes[r.Subject], latencyPoints(r.Latency, height)})
		}
	}
	for _, p := range [...]float64{50, 90, 99, 99.9} {
		v.Across = append(v.Across, tickView{tailPosition(p), fmt.Sprintf("%v", p)})
	}
	for _, us := range latencyTicks(low, high) {
		v.Up = append(v.Up, tickView{height(us), microseconds(us)})
	}
	return v
}

// latencyRange is the round numbers around all times; 0, 0 without any.
func latencyRange(results []*benchResult) (low, high float64) {
	var all []float64
	for _, r := range results {
		for _, us := range r.Latency {
			all = append(all, max(us, shortestLatency))
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	for low = shortestLatency; roundAbove(low) <= slices.Min(all); {
		low = roundAbove(low)
	}
	for high = roundAbove(low); high < slices.Max(all); {
		high = roundAbove(high)
	}
	return low, high
}

// shortestLatency is the lowest time that a chart shows, in µs: no system call is faster.
const shortestLatency = 0.1

// roundAbove is the next number after a round one: 1, 2, 5, 10, 20, 50 and so on.
func roundAbove(v float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	switch lead := math.Round(v / decade); {
	case lead < 2:
		return 2 * decade
	case lead < 5:
		return 5 * decade
	}
	return 10 * decade
}

// latencyTicks are the round numbers from low to high; powers of ten alone if those would
// be too many.
func latencyTicks(low, high float64) (ticks []float64) {
	const most = 8
	for us := low; us <= high*1.001; us = roundAbove(us) {
		ticks = append(ticks, us)
	}
	if len(ticks) <= most {
		return ticks
	}
	return slices.DeleteFunc(ticks, func(us float64) bool {
		return math.Abs(math.Log10(us)-math.Round(math.Log10(us))) > 1e-6
	})
}

func latencyPoints(latency []float64, height func(float64) float64) string {
	var b strings.Builder
	for i, us := range latency {
		fmt.Fprintf(&b, "%.2f,%.2f ", tailPosition(benchPercentiles[i]), height(max(us, shortestLatency)))
	}
	return strings.TrimSpace(b.String())
}

// tailPosition is where a percentile stands between 0 and 100: 90, 99 and 99.9 at thirds.
func tailPosition(p float64) float64 {
	return min(100, math.Round(1e4*-math.Log10(1-p/100)/3)/100)
}

func microseconds(us float64) string {
	switch {
	case us >= 1e6:
		return fmt.Sprintf("%.3g s", us/1e6)
	case us >= 1e3:
		return fmt.Sprintf("%.3g ms", us/1e3)
	}
	return fmt.Sprintf("%.3g µs", us)
}
