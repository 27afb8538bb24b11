//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// The networks of one agent in production: 64 of them, among which are some of each kind.
const (
	firstVNI encap.VNI = 100 + iota
	sealedVNI
	groupVNI
	v6VNI
	kernelVNI
	switchVNI // at Open vSwitch, where that is, or else at vxtap
	tunVNI
	bridgedVNI
	changedVNI // by the reload
	plainVNI   // and all that follow

	lastVNI = firstVNI + 63
)

// production is four hosts on a switch: two run vxtap, one has the kernel's VXLAN, and one
// is for Open vSwitch. A fifth is a machine that is bridged into an overlay.
type production struct {
	t                               testing.TB
	a, b, kernel, ovSwitch, machine *netlab.Host
	secret                          string
	file                            *configFile // of a
	hasSwitch                       bool
}

func newProduction(t testing.TB) *production {
	t.Helper()
	lab := newLab(t)
	p := &production{t: t, secret: secretFile(t, crypto.PrivateKey{0, 1}.Base64())}
	var hosts []*netlab.Host
	for i, h := range []**netlab.Host{&p.a, &p.b, &p.kernel, &p.ovSwitch} {
		*h = newHost(t, lab, string(rune('a'+i)))
		hosts = append(hosts, *h)
	}
	_, err := lab.Segment(hosts, netip.MustParsePrefix("10.9.0.0/24"))
	check(t, err)
	p.machine = newHost(t, lab, "m")
	silence(t, append(hosts, p.machine)...)
	check(t, p.a.AddAddress("eth0", netip.MustParsePrefix("fd09::1/64")))
	check(t, p.b.AddAddress("eth0", netip.MustParsePrefix("fd09::2/64")))
	check(t, lab.Link(p.a, "lan0", p.machine, "eth0", netlab.LinkConfig{MTU: 1450, B: prefixes(innerOf(bridgedVNI, 1) + "/24")}))
	check(t, p.kernel.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx0", VNI: uint32(kernelVNI), Local: ip("10.9.0.3"), Remotes: []netip.Addr{ip("10.9.0.1")},
		Addresses: prefixes(innerOf(kernelVNI, 2) + "/24"), MTU: 1450,
	}))
	return p
}

// innerOf is the address of a host in a network.
func innerOf(vni encap.VNI, host int) string { return fmt.Sprintf("192.168.%d.%d", vni, host) }

// text is the file of the first or second host.
func (p *production) text(host, ttl int) string {
	other := 3 - host
	var b strings.Builder
	fmt.Fprintf(&b, "local: [10.9.0.%d, \"fd09::%[1]d\"]\npsk-file: %s\nnetworks:\n", host, p.secret)
	for vni := firstVNI; vni <= lastVNI; vni++ {
		remote, more := fmt.Sprintf("remote: 10.9.0.%d", other), ""
		address := fmt.Sprintf(", address: %s/24", innerOf(vni, host))
		switch {
		case vni == sealedVNI:
			more = ", sealed: true"
		case vni == groupVNI:
			remote = "group: 239.1.1.1, dev: eth0"
		case vni == v6VNI:
			remote = fmt.Sprintf(`remote: "fd09::%d"`, other)
		case vni == kernelVNI && host == 1:
			remote = "remote: 10.9.0.3"
		case vni == switchVNI && host == 1 && p.hasSwitch:
			remote, more = "remote: 10.9.0.4", ", udpcsum: 10.9.0.4=false"
		case vni == tunVNI && host == 1:
			more = ", tun: true"
		case vni == bridgedVNI && host == 1:
			address, more = "", ", tap: none, bridge-to: lan0"
		case vni == changedVNI:
			more = fmt.Sprintf(", ttl: %d", ttl)
		}
		if host == 2 && (vni == kernelVNI || vni == switchVNI && p.hasSwitch) {
			continue // the peer is another
		}
		fmt.Fprintf(&b, "- {vni: %d, %s%s%s}\n", vni, remote, address, more)
	}
	return b.String()
}

// start starts both agents, that of the first host with metrics.
func (p *production) start() *child {
	p.t.Helper()
	startRun(p.t, p.b, newConfigFile(p.t, p.text(2, 64)))
	return p.startFirst()
}

func (p *production) startFirst() *child {
	p.t.Helper()
	p.file = newConfigFile(p.t, p.text(1, 64))
	return startRun(p.t, p.a, p.file, "--metrics", "10.9.0.1:9473")
}

// ends returns the host on whose side a network's first station is, and the address of the
// second.
func (p *production) ends(vni encap.VNI) (from *netlab.Host, to string) {
	if vni == bridgedVNI {
		return p.machine, innerOf(vni, 2)
	}
	return p.a, innerOf(vni, 2)
}

// scraped returns how many frames each network has carried in one direction, as a Prometheus
// client reads it.
func (p *production) scraped(direction string) map[string]float64 {
	p.t.Helper()
	text := scrape(p.t, p.a, "10.9.0.1:9473")
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	check(p.t, err)
	frames := map[string]float64{}
	for _, m := range families["vxtap_network_frames_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["direction"] == direction {
			frames[labels["vni"]] = m.GetCounter().GetValue()
		}
	}
	return frames
}

// serves proves that the agent does what an agent in production does, and returns the file
// of a capture.
func (p *production) serves(t *testing.T, c *child) (captured string) {
	t.Helper()
	if n := len(c.vnis()); n != 64 {
		t.Fatalf("%d networks", n)
	}
	captured = filepath.Join(t.TempDir(), "all.pcapng")
	capture := c.startCapture(p.a, "--stage", "tap", "--stage", "wire", "-w", captured)
	for vni := firstVNI; vni <= lastVNI; vni++ {
		from, to := p.ends(vni)
		ping(t, from, to)
	}
	capture.interrupt()
	for _, direction := range []string{"in", "out"} {
		frames := p.scraped(direction)
		for vni := firstVNI; vni <= lastVNI; vni++ {
			if frames[vni.String()] < 3 {
				t.Errorf("network %v: %v frames %s were scraped", vni, frames[vni.String()], direction)
			}
		}
	}
	p.reloadUnderLoad(t, c)
	return captured
}

// reloadUnderLoad changes one network, while one of each kind carries traffic.
func (p *production) reloadUnderLoad(t *testing.T, c *child) {
	t.Helper()
	loads := map[encap.VNI]func() (int, int){}
	for vni := firstVNI; vni <= plainVNI; vni++ {
		if vni != changedVNI {
			from, to := p.ends(vni)
			loads[vni] = pingOn(t, from, to)
		}
	}
	for i := range 3 {
		p.file.write(p.text(1, 65+i))
		var r api.Reloaded
		c.ask(func(ctx context.Context) (err error) {
			r, err = c.api.Reload(ctx)
			return err
		})
		if fmt.Sprint(r.Remade, r.Changed, r.Unchanged, r.Added, r.Removed) != fmt.Sprintf("[%v] [] 63 [] []", changedVNI) || !r.Done() {
			t.Errorf("the reload did %+v", r)
		}
	}
	for vni, load := range loads {
		if sent, answered := load(); answered != sent || sent == 0 {
			t.Errorf("network %v: %d of %d echo requests were answered while another was made anew", vni, answered, sent)
		}
	}
	_, to := p.ends(changedVNI)
	ping(t, p.a, to)
}

// 64 networks of all kinds in one agent carry traffic at the same time, are scraped and
// captured, and one of them changes without a frame lost on the others.
func TestSixtyFourNetworks(t *testing.T) {
	t.Parallel()
	p := newProduction(t)
	data, err := os.ReadFile(p.serves(t, p.start()))
	check(t, err)
	onWire := map[encap.VNI]int{}
	for _, packet := range readCapture(t, data) {
		if vxlan, ok := packet.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN); ok && packet.where == "wire" {
			onWire[encap.VNI(vxlan.VNI)]++
		}
	}
	for vni := firstVNI; vni <= lastVNI; vni++ {
		if sealed := vni == sealedVNI; (onWire[vni] == 0) != sealed {
			t.Errorf("%d packets of network %v were captured on the wire", onWire[vni], vni)
		}
	}
}

// How long it takes until 64 networks are up.
func BenchmarkStart64(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	p := newProduction(b)
	for b.Loop() {
		c := p.startFirst()
		b.StopTimer()
		c.stop()
		b.StartTimer()
	}
}
