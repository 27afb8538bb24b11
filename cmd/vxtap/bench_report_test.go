package main

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// sampleReport is a report over one underlay, in which one subject failed once and
// another always.
func sampleReport() *benchReport {
	tcp, udp, rtt := allBenchMeasures[0], allBenchMeasures[2], allBenchMeasures[7]
	part := &benchLabPart{Underlay: "wire", MTU: 1500, Subjects: []string{"underlay", "kernel", "vxtap", `a<b>"c`}, Notes: []string{`a<b>"c does not work: timeout`}}
	add := func(m *benchMeasure, subject string, samples ...benchSample) {
		for round := range samples {
			samples[round].Round = round
		}
		part.result(m.Key, subject).Samples = samples
	}
	value := func(m *benchMeasure, v float64) benchSample {
		return benchSample{Values: map[string]float64{m.Figures[0].Key: v, m.Figures[1].Key: v / 100}}
	}
	failed := benchSample{Err: "reach the sink: timeout"}
	limited := value(udp, 250)
	limited.Limited = true
	add(tcp, "underlay", value(tcp, 16), value(tcp, 18), value(tcp, 17))
	add(tcp, "kernel", value(tcp, 10), value(tcp, 5), value(tcp, 12))
	add(tcp, "vxtap", value(tcp, 8), value(tcp, 4), value(tcp, 6))
	add(tcp, `a<b>"c`, failed, failed, failed)
	add(udp, "kernel", value(udp, 240), value(udp, 244), limited)
	add(udp, "vxtap", value(udp, 480), failed, value(udp, 520))
	for i, subject := range []string{"kernel", "vxtap"} {
		s := value(rtt, 19*float64(i+1))
		for _, p := range benchPercentiles {
			s.Latency = append(s.Latency, (19+p/(100.1-p))*float64(i+1))
		}
		add(rtt, subject, s)
	}
	part.summarize()
	return &benchReport{
		Version: "v1.2.3", Started: started, Seconds: 12, Command: "vxtap bench --underlay wire",
		Machine: benchMachine{CPU: "A Processor", Cores: 2, Kernel: "6.18.0", Go: "go1.26"},
		Runs:    3, Duration: 0.7, Measures: []*benchMeasure{tcp, udp, rtt}, Labs: []*benchLabPart{part},
		Profiles: []benchHotspots{{Subject: "vxtap", End: "a", Underlay: "wire", MTU: 1500, File: "p.pprof", Seconds: 2, Functions: []benchHotspot{{"main.hot", 0.75}}}},
	}
}

func TestBenchSummary(t *testing.T) {
	part := sampleReport().Labs[0]
	got := part.find("tcp1", "vxtap").Summary["gbit_per_s"]
	// By round: 8/10, 4/5, 6/12. Of the medians: 6/10.
	want := benchSummary{Median: 6, Min: 4, Max: 8, Ratio: 0.8, RatioOfMedians: 0.6}
	if got != want {
		t.Errorf("TCP: %+v, want %+v", got, want)
	}
	// The second round of vxtap failed, and so does not compare with the kernel's.
	got = part.find("udp64", "vxtap").Summary["kpps"]
	if got.Median != 500 || math.Abs(got.Ratio-(2+520.0/250)/2) > 1e-9 {
		t.Errorf("UDP: %+v", got)
	}
	if kernel := part.find("udp64", "kernel").Summary["kpps"]; kernel.Ratio != 1 {
		t.Errorf("the kernel to itself: %+v", kernel)
	}
	if _, ok := part.find("tcp1", `a<b>"c`).Summary["gbit_per_s"]; ok {
		t.Error("what always failed has a summary")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := medianOf(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestBenchTable(t *testing.T) { golden(t, "bench", sampleReport().text()) }

func TestBenchVerdict(t *testing.T) {
	r := sampleReport()
	if err := r.verdict(); err == nil || err.Error() != `4 of 20 measurements failed, such as tcp1 of a<b>"c over wire: reach the sink: timeout` {
		t.Errorf("verdict: %v", err)
	}
}

func TestBenchJSON(t *testing.T) {
	text, err := json.Marshal(sampleReport())
	if err != nil {
		t.Fatal(err)
	}
	var back benchReport
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Labs[0].find("tcp1", "vxtap").Samples; len(got) != 3 || got[2].Values["gbit_per_s"] != 6 {
		t.Errorf("samples of vxtap: %+v", got)
	}
}

// The times that the help promises, on a machine where nothing is slow.
func TestBenchEstimates(t *testing.T) {
	for quick, most := range map[bool]time.Duration{true: 2 * time.Minute, false: 15 * time.Minute} {
		o := newBenchOptions()
		fs := pflag.NewFlagSet("bench", pflag.ContinueOnError)
		o.flags(fs)
		o.quick = quick
		o.hurry(fs)
		if got := o.estimate(); got >= most*9/10 {
			t.Errorf("quick %t: takes %v of %v", quick, got, most)
		}
	}
}
