package main

import (
	"strings"
	"testing"
)

// Others' tunnels are set against each vxtap, round by round; one that always failed, and
// one that a measure did not visit, say so.
func TestBenchVersus(t *testing.T) {
	r := sampleReport()
	part, udp := r.Labs[0], allBenchMeasures[2]
	part.Subjects = append(part.Subjects, "sealed", "other")
	for subject, rates := range map[string][]float64{"sealed": {300, 200, 100}, "other": {100, 50, 200}} {
		for round, rate := range rates {
			res := part.result(udp.Key, subject)
			res.Samples = append(res.Samples, benchSample{Round: round, Values: map[string]float64{"kpps": rate}})
		}
	}
	part.summarize()
	var b strings.Builder
	part.versus(r.Measures, r.Runs, &b)
	golden(t, "bench_versus", b.String())
}

func TestBenchVersusNobody(t *testing.T) {
	r := sampleReport()
	for _, subjects := range [][]string{{"kernel", "vxtap"}, {"kernel", `a<b>"c`}} {
		part := r.Labs[0]
		part.Subjects = subjects
		var b strings.Builder
		if part.versus(r.Measures, r.Runs, &b); b.Len() > 0 {
			t.Errorf("%q are set against each other:\n%s", subjects, b.String())
		}
	}
}

// What a capture costs is set against the same rounds without one.
func TestBenchCaptureCost(t *testing.T) {
	r := sampleReport()
	part, udp := r.Labs[0], allBenchMeasures[2]
	part.Subjects = []string{"vxtap", "captured"}
	part.Results = nil
	for subject, rates := range map[string][]float64{"vxtap": {100, 200, 400}, "captured": {90, 190, 300}} {
		for round, rate := range rates {
			res := part.result(udp.Key, subject)
			res.Samples = append(res.Samples, benchSample{Round: round, Values: map[string]float64{"kpps": rate}})
		}
	}
	part.summarize()
	var b strings.Builder
	part.captureCost([]*benchMeasure{udp}, 3, &b)
	if want := "ratio of vxtap with a capture to vxtap without in the same round, median of 3 rounds\n  UDP, 64 bytes, one flow, 1000/s  0.90×\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("says %q, want %q", b.String(), want)
	}
	part.Subjects = []string{"vxtap", "kernel"}
	b.Reset()
	if part.captureCost([]*benchMeasure{udp}, 3, &b); b.Len() > 0 {
		t.Errorf("without a capture it says %q", b.String())
	}
}
