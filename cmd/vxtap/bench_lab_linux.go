package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
	"github.com/vxtap/vxtap/encap"
)

// benchLab is two hosts with a cable between them, over which all subjects are up side
// by side. One that carries nothing costs nothing, so that they can be measured in turn.
//
//	a: generator ─ subject ⇄ eth0 ── eth0 ⇄ subject ─ sink :b
type benchLab struct {
	*bench
	underlay netlab.Underlay
	mtu      int
	lab      *netlab.Lab
	a, b     *netlab.Host
	sink     *benchChild
	tunnels  *benchChild // the program of --tunnels; nil without one
	subjects []*benchSubject
	part     *benchLabPart
}

// benchSubject is what is measured, as the generator and the accounts see it.
type benchSubject struct {
	name   string
	client *traffic.Client
	// target is the VTEP at b, and vni its network; invalid if there is none.
	target netip.AddrPort
	vni    uint32
	// ends are the vxtaps at a and b; none if it is no vxtap.
	ends []*benchChild
	// captures of what the ends carry, which end with them.
	captures []*benchChild
	// keeper is the program that keeps a foreign tunnel up; nil if that is the user.
	keeper *benchChild
	// rates last found, by the key of the measure: where the next search begins.
	rates map[string]float64
}

// run makes the lab and measures in it. Whoever calls it closes the lab.
func (l *benchLab) run(ctx context.Context) error {
	if err := l.build(); err != nil {
		return err
	}
	if err := l.startSink(ctx); err != nil {
		return err
	}
	if err := l.startSubjects(ctx); err != nil {
		return err
	}
	if err := l.greet(ctx); err != nil {
		return err
	}
	for round := range l.runs {
		if err := l.round(ctx, round); err != nil {
			return err
		}
	}
	l.endCaptures()
	l.part.summarize()
	return nil
}

// build makes the hosts and the cable.
func (l *benchLab) build() (err error) {
	l.part = &benchLabPart{Underlay: string(l.underlay), MTU: l.mtu, IPv6: l.ipv6}
	l.report.Labs = append(l.report.Labs, l.part)
	if l.lab, err = netlab.New(l.room.name()); err != nil {
		return err
	}
	if l.a, err = l.lab.Host("a"); err != nil {
		return err
	}
	if l.b, err = l.lab.Host("b"); err != nil {
		return err
	}
	local, remote := l.underlayAddrs()
	bits := 24
	if l.ipv6 {
		bits = 64
	}
	return l.lab.Link(l.a, "eth0", l.b, "eth0", netlab.LinkConfig{
		MTU:      l.mtu,
		A:        []netip.Prefix{netip.PrefixFrom(local, bits)},
		B:        []netip.Prefix{netip.PrefixFrom(remote, bits)},
		Underlay: l.underlay,
	})
}

// underlayAddrs are those of a and b.
func (l *benchLab) underlayAddrs() (a, b netip.Addr) {
	if l.ipv6 {
		return netip.MustParseAddr("fd09::1"), netip.MustParseAddr("fd09::2")
	}
	return netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
}

// startSink starts the far end of all subjects but the foreign ones.
func (l *benchLab) startSink(ctx context.Context) (err error) {
	l.sink, err = startBenchChild(l.b, l.exe, "the sink", nil, "bench", "--sink")
	if err != nil {
		return err
	}
	return l.sink.waitReady(ctx)
}

// startSubjects brings them up. A kernel without VXLAN is no reason to stop; a vxtap that
// does not start is.
func (l *benchLab) startSubjects(ctx context.Context) error {
	for i, key := range l.bench.subjects {
		s := &benchSubject{name: key, rates: make(map[string]float64)}
		o := l.overlay(i)
		var err error
		if _, far := l.underlayAddrs(); key != benchUnderlay {
			s.target, s.vni = netip.AddrPortFrom(far, o.port), o.vni
		}
		switch kind := findBenchKind(key); {
		case key == benchUnderlay:
			_, o.b = l.underlayAddrs()
		case key == benchKernel:
			if err := l.startKernel(o); err != nil {
				l.note("the kernel's VXLAN is left out, and so are ratios to it: %v", err)
				continue
			}
		default:
			err = l.startVxtap(s, kind, o)
		}
		if err != nil {
			return err
		}
		s.client = traffic.NewClient(l.a.Do, netip.AddrPortFrom(o.b, traffic.DefaultPort))
		l.add(s)
	}
	for _, f := range l.against {
		l.add(&benchSubject{name: f.name, client: traffic.NewClient(f.place(), f.sink), rates: make(map[string]float64)})
	}
	if err := l.startTunnels(ctx); err != nil {
		return err
	}
	return l.waitReady(ctx)
}

func (l *benchLab) add(s *benchSubject) {
	l.subjects = append(l.subjects, s)
	l.part.Subjects = append(l.part.Subjects, s.name)
}

func (l *benchLab) waitReady(ctx context.Context) error {
	for _, s := range l.subjects {
		for _, end := range s.ends {
			if err := end.waitReady(ctx); err != nil {
				return err
			}
		}
		if err := l.startCaptures(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// startCaptures has what a subject carries captured, if it is one of that kind. Nobody keeps
// what is captured: a disk is not to be measured.
func (l *benchLab) startCaptures(ctx context.Context, s *benchSubject) error {
	if kind := findBenchKind(s.name); kind == nil || !kind.captured {
		return nil
	}
	for _, host := range []*netlab.Host{l.a, l.b} {
		c := newBenchChild(l.exe, "the capture on host "+host.Name(), "capture", "--socket", l.socketPath(s, host))
		c.log.begins = "capturing "
		if err := c.start(host); err != nil {
			return err
		}
		s.captures = append(s.captures, c)
		if err := c.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// endCaptures ends them, and has the report say what they took.
func (l *benchLab) endCaptures() {
	for _, s := range l.subjects {
		for _, c := range s.captures {
			c.interrupt()
			c.end()
			if lines := c.log.tail(); len(lines) > 0 {
				l.note("%s: %s", c.name, lines[len(lines)-1])
			}
		}
	}
}

// socketPath is where a subject's vxtap on a host answers.
func (l *benchLab) socketPath(s *benchSubject, host *netlab.Host) string {
	return filepath.Join(l.room.dir, fmt.Sprintf("%s-%s.sock", s.name, host.Name()))
}

// note tells the user, now and in the report.
func (l *benchLab) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.part.Notes = append(l.part.Notes, text)
	l.progress.say("%s: %s", l.part.title(), text)
}

// benchOverlay is the network of one subject.
type benchOverlay struct {
	vni  uint32
	port uint16
	a, b netip.Addr
}

// overlay plans the network of subject number i.
func (l *benchLab) overlay(i int) benchOverlay {
	return benchOverlay{
		vni:  100 + uint32(i),
		port: netlab.DefaultVXLANPort + uint16(i),
		a:    netip.AddrFrom4([4]byte{192, 168, 100 + byte(i), 1}),
		b:    netip.AddrFrom4([4]byte{192, 168, 100 + byte(i), 2}),
	}
}

// overlayMTU is what is left of the underlay's.
func (l *benchLab) overlayMTU(sealed bool) int { return encap.OverlayMTU(l.mtu, l.ipv6, sealed, 0) }

// startKernel adds the kernel's device at both ends, with what vxtap gets: one remote to
// flood to, learning, and the same MTU. Its outer UDP checksums are on, as they are by
// default and with vxtap.
func (l *benchLab) startKernel(o benchOverlay) error {
	a, b := l.underlayAddrs()
	for _, end := range []struct {
		host          *netlab.Host
		local, remote netip.Addr
		inner         netip.Addr
	}{{l.a, a, b, o.a}, {l.b, b, a, o.b}} {
		err := end.host.KernelVXLAN(netlab.VXLANConfig{
			Name: "kernel", VNI: o.vni, Port: o.port, MTU: l.overlayMTU(false),
			Local: end.local, Remotes: []netip.Addr{end.remote},
			Addresses: []netip.Prefix{netip.PrefixFrom(end.inner, 24)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// startVxtap starts both ends; they get ready while the next subject starts. They learn
// where the other end's MAC is from the first frames, long before anything counts.
func (l *benchLab) startVxtap(s *benchSubject, kind *benchKind, o benchOverlay) error {
	a, b := l.underlayAddrs()
	for _, end := range []struct {
		host          *netlab.Host
		local, remote netip.Addr
		inner         netip.Addr
	}{{l.a, a, b, o.a}, {l.b, b, a, o.b}} {
		args := []string{"up", "--vni", fmt.Sprint(o.vni), "--port", fmt.Sprint(o.port),
			"--local", end.local.String(), "--remote", end.remote.String(),
			"--address", netip.PrefixFrom(end.inner, 24).String(), "--mtu", fmt.Sprint(l.overlayMTU(kind.sealed)),
			"--socket", l.socketPath(s, end.host)}
		if kind.sealed {
			args = append(args, "--psk-file", l.secretPath())
		}
		child, err := startBenchChild(end.host, l.exe, s.name, l.profileEnv(s.name, end.host.Name()), append(args, kind.args...)...)
		if err != nil {
			return err
		}
		s.ends = append(s.ends, child)
	}
	return nil
}

// close ends the children in order and removes the rest.
func (l *benchLab) close() error {
	var children []*benchChild
	for _, s := range l.subjects {
		children = append(append(children, s.captures...), s.ends...)
	}
	for _, c := range []*benchChild{l.tunnels, l.sink} {
		if c != nil {
			children = append(children, c)
		}
	}
	for _, c := range children {
		c.interrupt()
	}
	for _, c := range children {
		c.end()
	}
	if l.lab == nil {
		return nil
	}
	return l.lab.Close()
}
