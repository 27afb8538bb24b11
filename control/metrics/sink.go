package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vxtap/vxtap/control/api"
)

// sink takes the values of metrics.
type sink chan<- prometheus.Metric

func (s sink) count(d *prometheus.Desc, n uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// underlay says how it is; of a node with two, how the worse one is.
func (s sink) underlay(n *api.Node) {
	up, mtu := n.Underlay.Trouble == "", n.Underlay.MTU
	if n.Second != nil {
		up = up && n.Second.Underlay.Trouble == ""
		mtu = min(mtu, n.Second.Underlay.MTU)
	}
	s.gauge(underlayUp, map[bool]float64{true: 1}[up])
	s.gauge(underlayMTU, float64(mtu))
}

// node says what belongs to no network.
func (s sink) node(n *api.Stats) {
	s.count(underlayDrops, n.UnderlayDrops)
	s.count(receiveErrors, n.ReceiveErrors)
	s.count(unlearned, n.Unlearned)
	s.count(handshakesLost, n.HandshakesLost)
	s.count(strayFrames, n.Stray.Frames)
	s.count(strayBytes, n.Stray.Bytes)
	for why, count := range n.Stray.Drops {
		s.count(strayDrops, count, why)
	}
}

// table says how big a network's is.
func (s sink) table(n *api.Network) {
	vni := n.VNI.String()
	s.gauge(macs, float64(n.Learned), vni, "learned")
	s.gauge(macs, float64(n.Static), vni, "static")
	s.gauge(macsLimit, float64(n.MaxMACs), vni)
}

// network says what one counts.
func (s sink) network(n *api.NetworkStats) {
	vni := n.VNI.String()
	s.direction(&n.Out, vni, "out")
	s.direction(&n.In, vni, "in")
	s.count(macsRefused, n.MACsRefused, vni)
	s.count(movesHeld, n.MovesHeld, vni)
	for port, count := range n.PortDrops {
		s.count(portDrops, count, vni, port)
	}
	for _, r := range n.Remotes {
		name := "other"
		if r.Addr.IsValid() {
			name = r.Addr.String()
		}
		s.count(remoteFrames, r.OutFrames, vni, name, "out")
		s.count(remoteFrames, r.InFrames, vni, name, "in")
		s.count(remoteBytes, r.OutBytes, vni, name, "out")
		s.count(remoteBytes, r.InBytes, vni, name, "in")
	}
}

func (s sink) direction(d *api.Direction, vni, name string) {
	s.count(frames, d.Frames, vni, name)
	s.count(bytes, d.Bytes, vni, name)
	s.count(forwarded, d.Forwarded, vni, name)
	s.count(forwardedBytes, d.ForwardedBytes, vni, name)
	s.count(copies, d.Copies, vni, name)
	s.count(answers, d.Answers, vni, name)
	for why, count := range d.Drops {
		s.count(drops, count, vni, name, why)
	}
}

// sessions says how the node stands with its peers.
func (s sink) sessions(k *api.Keys) {
	for why, count := range k.Rejected {
		s.count(rejectedOfNone, count, why)
	}
	for i := range k.Peers {
		p := &k.Peers[i]
		name, up := p.VTEP.Addr().String(), 0.0
		if p.Epoch > 0 {
			up = 1
		}
		s.gauge(sessionUp, up, name)
		s.gauge(sessionEpoch, float64(p.Epoch), name)
		s.gauge(sessionAge, float64(p.AgeSeconds), name)
		s.gauge(sessionRotation, float64(p.NextRotationSeconds), name)
		s.count(sessionPackets, p.Sent, name, "out")
		s.count(sessionPackets, p.Received, name, "in")
		for why, count := range p.Rejected {
			s.count(sessionRejected, count, name, why)
		}
	}
}
