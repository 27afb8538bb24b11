package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long bench counts, and how often, unless told otherwise. With these the default run
// takes some thirteen minutes and a quick one little more than one.
const (
	benchDuration      = 650 * time.Millisecond
	benchRuns          = 5
	benchQuickDuration = 200 * time.Millisecond
)

// benchWarmUp goes before counting: slow start, and caches that fill.
func benchWarmUp(d time.Duration) time.Duration { return min(d, 300*time.Millisecond) }

// benchProbe is how long one step of the search for a rate sends. The rate found is then
// confirmed for the full time.
func benchProbe(d time.Duration) time.Duration { return max(d/5, 50*time.Millisecond) }

// benchFigure is one number of a measurement.
type benchFigure struct {
	Key    string `json:"key"`
	Title  string `json:"title"` // with the unit
	Digits int    `json:"-"`     // behind the point
	Less   bool   `json:"less_is_better"`
}

// benchMeasure is one kind of measurement. Its first figure is the one to compare.
type benchMeasure struct {
	Key     string        `json:"key"`
	Title   string        `json:"title"`
	Figures []benchFigure `json:"figures"`

	// One of these says what to do; with neither, the measurement is taken beside
	// all others.
	streams int
	udp     *benchUDP
	rtt     *benchRTT
	hostile bool // beside a storm of malformed datagrams; only asked for by name
}

type benchUDP struct {
	sizes []int
	flows int
}

type benchRTT struct {
	interval time.Duration
	loaded   bool // a TCP stream beside it
}

// imix is the simple mix of Internet packets of 40, 576 and 1500 bytes, 7 : 4 : 1, as the
// payload of UDP over IPv4; but that the largest have 1400, since those of 1500 fit no
// tunnel over an Ethernet. The order is fixed, and spreads the sizes.
var imix = []int{12, 548, 12, 12, 548, 12, 1372, 12, 548, 12, 12, 548}

// benchMeasures are all, in the order in which they are taken.
func benchMeasures() []*benchMeasure { return allBenchMeasures[:] }

// usualBenchMeasures are those that are taken unless others are asked for. A storm takes what
// it can get of the machine, and says nothing about a quiet day.
func usualBenchMeasures() []*benchMeasure {
	return slices.DeleteFunc(slices.Clone(benchMeasures()), func(m *benchMeasure) bool { return m.hostile })
}

var (
	tcpFigures = []benchFigure{
		{Key: "gbit_per_s", Title: "Gbit/s", Digits: 2},
		{Key: "cpu_s_per_gbit", Title: "CPU s/Gbit", Digits: 3, Less: true},
		{Key: "vxtap_cpu_s_per_gbit", Title: "vxtap's", Digits: 3, Less: true},
	}
	udpFigures = []benchFigure{
		{Key: "kpps", Title: "1000/s", Digits: 1},
		{Key: "loss_percent", Title: "loss %", Digits: 3, Less: true},
		{Key: "reordered", Title: "reordered", Less: true},
		{Key: "duplicates", Title: "twice", Less: true},
	}
	rttFigures = []benchFigure{
		{Key: "p50_us", Title: "p50 µs", Digits: 1, Less: true},
		{Key: "p99_us", Title: "p99 µs", Digits: 1, Less: true},
		{Key: "p999_us", Title: "p99.9 µs", Digits: 1, Less: true},
		{Key: "lost", Title: "lost", Less: true},
	}
	hostileFigures = []benchFigure{
		{Key: "udp_kept_percent", Title: "UDP kept %", Digits: 1},
		{Key: "tcp_kept_percent", Title: "TCP kept %", Digits: 1},
		{Key: "storm_kpps", Title: "storm 1000/s", Digits: 0},
	}
	memoryFigures = []benchFigure{
		{Key: "anon_mib", Title: "anonymous MiB", Digits: 1, Less: true},
		{Key: "hwm_mib", Title: "resident MiB", Digits: 1, Less: true},
	}
)

var allBenchMeasures = [...]*benchMeasure{
	{Key: "tcp1", Title: "TCP, one stream", Figures: tcpFigures, streams: 1},
	{Key: "tcp4", Title: "TCP, four streams", Figures: tcpFigures, streams: 4},
	{Key: "udp64", Title: "UDP, 64 bytes, one flow", Figures: udpFigures, udp: &benchUDP{[]int{64}, 1}},
	{Key: "udp64x64", Title: "UDP, 64 bytes, 64 flows", Figures: udpFigures, udp: &benchUDP{[]int{64}, 64}},
	{Key: "udp1400", Title: "UDP, 1400 bytes, one flow", Figures: udpFigures, udp: &benchUDP{[]int{1400}, 1}},
	{Key: "imix", Title: "UDP, mixed sizes, one flow", Figures: udpFigures, udp: &benchUDP{imix, 1}},
	{Key: "rtt", Title: "Round trip, one a millisecond", Figures: rttFigures, rtt: &benchRTT{interval: time.Millisecond}},
	{Key: "rtt-back", Title: "Round trip, back to back", Figures: rttFigures, rtt: &benchRTT{}},
	{Key: "rtt-load", Title: "Round trip beside a TCP stream", Figures: rttFigures, rtt: &benchRTT{interval: time.Millisecond, loaded: true}},
	{Key: "hostile", Title: "Honest flows beside a storm", Figures: hostileFigures, hostile: true},
	{Key: "memory", Title: "Peak memory of the larger vxtap", Figures: memoryFigures},
}

func parseBenchMeasure(s string) (*benchMeasure, error) {
	for _, m := range allBenchMeasures {
		if m.Key == s {
			return m, nil
		}
	}
	return nil, fmt.Errorf("bad measure %q: want one of %s", s, strings.Join(benchMeasureKeys(), ", "))
}

func benchMeasureKeys() []string { return keysOf(benchMeasures()) }

func keysOf(measures []*benchMeasure) (keys []string) {
	for _, m := range measures {
		keys = append(keys, m.Key)
	}
	return keys
}

func describeMeasures() string {
	t := table{indent: "  "}
	for _, m := range allBenchMeasures {
		t.add(m.Key, m.Title)
	}
	return t.text()
}

// passive reports whether the measurement is taken beside the others.
func (m *benchMeasure) passive() bool {
	return m.streams == 0 && m.udp == nil && m.rtt == nil && !m.hostile
}

// cost is how long the measurement takes one subject, about; later rounds of a search
// know where to begin.
func (m *benchMeasure) cost(d time.Duration, round int) time.Duration {
	const settle = 30 * time.Millisecond // to agree on it, and for the last datagram
	warm := benchWarmUp(d)
	switch {
	case m.udp != nil && round == 0:
		return 10*(benchProbe(d)+settle) + d*13/10
	case m.udp != nil:
		return 6*(benchProbe(d)+settle) + d*13/10
	case m.rtt != nil && m.rtt.loaded:
		return 2*warm + d + settle
	case m.passive():
		return 0
	case m.hostile:
		return 2*warm + 4*(d+settle)
	}
	return warm + d + settle
}

// benchSetUp is about how long it takes to make a lab and remove it.
const benchSetUp = 2 * time.Second

// estimate is how long the whole bench takes, about.
// What --tunnels brings up is not known before.
func (o *benchOptions) estimate() time.Duration {
	labs := time.Duration(len(o.underlays) * len(o.mtus))
	return labs * (benchSetUp + o.perSubject()*time.Duration(len(o.subjects)+len(o.against)))
}

// perSubject is how long all rounds over one underlay take with one subject, about.
func (o *benchOptions) perSubject() (d time.Duration) {
	for round := range o.runs {
		for _, m := range o.measures {
			d += m.cost(o.duration, round)
		}
	}
	return d
}
