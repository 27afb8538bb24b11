//go:build linux && interop

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// How fast containers of two Docker engines are on a sealed network, beside what vxtap up
// makes of two plain namespaces, and beside the cable between those. All are there side by
// side, and take turns.

// dockerBench is what is measured: TCP from one host to another, by each of these ways.
type dockerBench struct {
	t    testing.TB
	ways []dockerWay
}

// dockerWay is one of them.
type dockerWay struct {
	name  string
	from  *traffic.Client
	rates []float64 // Gbit/s, by the round
}

// newDockerBench takes two engines, and two hosts without any.
func newDockerBench(t testing.TB, a, b *engine, plainA, plainB *netlab.Host) *dockerBench {
	t.Helper()
	labNetwork(a, b, 42, "-o", "sealed")
	a.run("one", "--network", "lab")
	b.run("two", "--network", "lab")
	if n := a.vxtap.network(); !n.Sealed {
		t.Fatalf("the network is %+v", n)
	}
	startVXTAP(t, plainA, "--sealed", "--psk-file", a.psk, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--address", innerA+"/24")
	startVXTAP(t, plainB, "--sealed", "--psk-file", a.psk, "--vni", "42", "--local", "10.9.0.2", "--remote", "10.9.0.1", "--address", innerB+"/24")
	return &dockerBench{t: t, ways: []dockerWay{
		{name: "Docker containers, sealed", from: clientTo(t, a.place("one"), b.place("two"), b.address("two", "lab"))},
		{name: "plain namespaces, sealed", from: soakClient(t, plainA, plainB, innerB)},
		{name: "plain namespaces, the cable itself", from: soakClient(t, plainA, plainB, "10.9.0.2")},
	}}
}

// place opens sockets in the namespace of a container.
func (e *engine) place(container string) traffic.Place {
	e.t.Helper()
	ns := "/proc/" + e.docker("inspect", "-f", "{{.State.Pid}}", container) + "/ns/net"
	return func(open func() error) error { return netlab.Inside(ns, open) }
}

// round has each way carry one stream for that long. Their order turns from round to round.
func (d *dockerBench) round(length time.Duration) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), limit)
	defer cancel()
	turn := len(d.ways[0].rates)
	for i := range d.ways {
		w := &d.ways[(i+turn)%len(d.ways)]
		res, err := w.from.TCP(ctx, traffic.TCPConfig{Streams: 1, WarmUp: benchWarmUp(length), Duration: length})
		check(d.t, err)
		w.rates = append(w.rates, res.Rate()/1e9)
	}
}

// ratio is the median over the rounds of the containers' rate to that of another way in the
// same round.
func (d *dockerBench) ratio(to int) float64 {
	var list []float64
	for i, rate := range d.ways[0].rates {
		list = append(list, rate/d.ways[to].rates[i])
	}
	return medianOf(list)
}

// table has a line for each way.
func (d *dockerBench) table() string {
	t := &table{numbers: 1}
	t.add("TCP, one stream", "Gbit/s", "containers ÷ it")
	for i, w := range d.ways {
		t.add(w.name, number(medianOf(w.rates), 2), ratio(d.ratio(i)))
	}
	return t.text()
}

// BenchmarkDocker takes a round an iteration: -benchtime 5x.
func BenchmarkDocker(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	wire := netlab.LinkConfig{Underlay: netlab.Wire}
	one, two := newEnginesWith(b, wire, (*engine).startVXTAP)
	plainA, plainB := newPair(b, wire)
	d := newDockerBench(b, one, two, plainA, plainB)
	for b.Loop() {
		d.round(time.Second)
	}
	b.ReportMetric(0, "ns/op") // leaves it out
	b.ReportMetric(d.ratio(1), "ratio")
	b.Logf("median of %s\n%s", rounds(b.N), d.table())
}

// The benchmark's parts work: every way carries something, and the table says how much.
func dockerRate(t *testing.T, a, b *engine) {
	plainA, plainB := newPair(t, netlab.LinkConfig{})
	d := newDockerBench(t, a, b, plainA, plainB)
	sent := a.vxtap.stats().Out.Forwarded
	eventually(t, "all ways carry a stream, that of the containers through the tunnel", func() bool {
		carried := true
		for i := range d.ways {
			d.ways[i].rates = nil
		}
		d.round(100 * time.Millisecond)
		for _, w := range d.ways { // on a busy machine nothing may have come in that time
			carried = carried && w.rates[0] > 0
		}
		return carried && a.vxtap.stats().Out.Forwarded > sent+100
	})
	if text := d.table(); strings.Count(text, "\n") != 4 || !strings.Contains(text, "1.00×") {
		t.Errorf("the table is\n%s", text)
	}
	a.removeAll("lab")
	b.removeAll("lab")
}
