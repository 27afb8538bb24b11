// Package metrics gives Prometheus what an agent counts.
//
// Frames are of wire size: a superframe counts as its segments. Bytes count from the
// Ethernet header on. The direction out is from ports to the underlay, in the opposite.
// Every reason for a drop is there, also at zero. Remotes that are not counted by
// themselves, as there are too many, are added up as "other".
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/vxtap/vxtap/control/api"
)

// Source is what an agent tells of itself.
type Source interface {
	Node() api.Node
	Stats() api.Stats
	Keys() api.Keys
}

// Registry returns a registry with the metrics of an agent, and of its process.
func Registry(s Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		&collector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// collector reads the agent's counters whenever it is asked.
type collector struct{ source Source }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	out := sink(ch)
	node, stats := c.source.Node(), c.source.Stats()
	out.gauge(buildInfo, 1, node.Version)
	out.underlay(&node)
	out.node(&stats)
	for i := range node.Networks {
		out.table(&node.Networks[i])
	}
	for i := range stats.Networks {
		out.network(&stats.Networks[i])
	}
	keys := c.source.Keys()
	out.sessions(&keys)
}
