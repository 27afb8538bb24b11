package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// benchReport is what a bench found, every sample of it: what --json prints.
type benchReport struct {
	Version  string          `json:"version"`
	Started  time.Time       `json:"started"`
	Seconds  float64         `json:"seconds"` // that it took
	Command  string          `json:"command"`
	Machine  benchMachine    `json:"machine"`
	Runs     int             `json:"runs"`
	Duration float64         `json:"duration_seconds"` // of each measurement
	Measures []*benchMeasure `json:"measures"`
	Labs     []*benchLabPart `json:"labs"`
	Profiles []benchHotspots `json:"profiles,omitempty"`
}

// benchMachine is what the numbers are about.
type benchMachine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that this process may use
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// benchLabPart is what was found over one underlay.
type benchLabPart struct {
	Underlay string   `json:"underlay"`
	MTU      int      `json:"mtu"`
	IPv6     bool     `json:"ipv6"`
	Subjects []string `json:"subjects"`
	// Notes say what could not be brought up, and why.
	Notes   []string       `json:"notes,omitempty"`
	Results []*benchResult `json:"results"`
}

// benchResult is one measure of one subject over all rounds.
type benchResult struct {
	Measure string        `json:"measure"`
	Subject string        `json:"subject"`
	Samples []benchSample `json:"samples"`
	// Summary by the key of the figure.
	Summary map[string]benchSummary `json:"summary"`
	// Latency is round-trip times in µs at benchPercentiles, each the median of the
	// rounds.
	Latency []float64 `json:"latency_us,omitempty"`
}

// benchSample is what one round found.
type benchSample struct {
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values,omitempty"` // by the key of the figure
	// Latency is round-trip times in µs at benchPercentiles.
	Latency []float64 `json:"latency_us,omitempty"`
	// Limited: the generator had no more to send, and the subject may carry more.
	Limited bool   `json:"generator_limited,omitempty"`
	Err     string `json:"error,omitempty"`
}

// benchSummary is one figure over all rounds that did not fail.
type benchSummary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	// Ratio to the kernel: the median of the ratios within each round, since what
	// disturbs a round disturbs its neighbours. RatioOfMedians is the other way round.
	// Both are 0 without a kernel to compare with.
	Ratio          float64 `json:"ratio_to_kernel,omitempty"`
	RatioOfMedians float64 `json:"ratio_of_medians,omitempty"`
}

// benchPercentiles are the points of a latency distribution.
var benchPercentiles = [...]float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9}

// result returns the result of a measure for a subject, a new one if need be.
func (p *benchLabPart) result(measure, subject string) *benchResult {
	if r := p.find(measure, subject); r != nil {
		return r
	}
	r := &benchResult{Measure: measure, Subject: subject}
	p.Results = append(p.Results, r)
	return r
}

func (p *benchLabPart) find(measure, subject string) *benchResult {
	for _, r := range p.Results {
		if r.Measure == measure && r.Subject == subject {
			return r
		}
	}
	return nil
}

// summarize fills in the summaries from the samples. The ratio to the kernel is the median
// of the ratios within the rounds: when something else takes a third of the machine for a
// round, it takes it from both, and the ratio stays. The ratio of the medians would compare
// one subject's quiet round with another's busy one.
func (p *benchLabPart) summarize() {
	for _, r := range p.Results {
		r.Summary = make(map[string]benchSummary)
		base := p.find(r.Measure, benchKernel)
		for _, key := range r.keys() {
			r.Summary[key] = summarize(r, base, key)
		}
		r.Latency = medianLatency(r.Samples)
	}
}

// keys are those of all figures that any sample has.
func (r *benchResult) keys() (keys []string) {
	for _, s := range r.Samples {
		for key := range s.Values {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// values are those of one figure by round, without the rounds that failed.
func (r *benchResult) values(key string) map[int]float64 {
	values := make(map[int]float64)
	for _, s := range r.Samples {
		if v, ok := s.Values[key]; ok {
			values[s.Round] = v
		}
	}
	return values
}

// failures is how many rounds failed, and why the last one did.
func (r *benchResult) failures() (n int, why string) {
	for _, s := range r.Samples {
		if s.Err != "" {
			n, why = n+1, s.Err
		}
	}
	return n, why
}

// limited reports whether the generator was the limit in any round.
func (r *benchResult) limited() bool {
	return slices.ContainsFunc(r.Samples, func(s benchSample) bool { return s.Limited })
}

func summarize(r, base *benchResult, key string) benchSummary {
	own := r.values(key)
	var all, ratios []float64
	for _, v := range own {
		all = append(all, v)
	}
	s := benchSummary{Median: medianOf(all), Min: slices.Min(all), Max: slices.Max(all)}
	if base == nil {
		return s
	}
	var others []float64
	for round, other := range base.values(key) {
		others = append(others, other)
		if v, ok := own[round]; ok && other > 0 {
			ratios = append(ratios, v/other)
		}
	}
	s.Ratio = medianOf(ratios)
	if m := medianOf(others); m > 0 {
		s.RatioOfMedians = s.Median / m
	}
	return s
}

// verdict is an error if a measurement failed. The report shows which.
func (r *benchReport) verdict() error {
	failed, all := 0, 0
	var example string
	for _, part := range r.Labs {
		for _, res := range part.Results {
			n, why := res.failures()
			if failed += n; n > 0 && example == "" {
				example = fmt.Sprintf("%s of %s over %s: %s", res.Measure, res.Subject, part.Underlay, why)
			}
			all += len(res.Samples)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d measurements failed, such as %s", failed, all, example)
	}
	return nil
}

// medianLatency is the median over the rounds at each percentile; nil if none has any.
func medianLatency(samples []benchSample) []float64 {
	var latency []float64
	for i := range benchPercentiles {
		var at []float64
		for _, s := range samples {
			if i < len(s.Latency) {
				at = append(at, s.Latency[i])
			}
		}
		if len(at) == 0 {
			return nil
		}
		latency = append(latency, medianOf(at))
	}
	return latency
}

// medianOf is the median of values, in any order; the mean of the middle two of an even number; 0 of
// none.
func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// finite is v, or 0 if it is none that JSON knows.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
