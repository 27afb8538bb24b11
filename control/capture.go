package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/pcapfilter"
	"github.com/vxtap/vxtap/control/pcapng"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

const (
	// captureTick is how often the rings of a capture are emptied. They hold more than what
	// a busy network brings meanwhile.
	captureTick = 10 * time.Millisecond
	// captureTurn is how many frames are taken out before the time is looked at.
	captureTurn = 512
	// captureShare is how much longer a capture rests than it works, so that it takes a
	// tenth of a CPU at most, and the reader of its file about as much. What does not fit in
	// the rings meanwhile is missed.
	captureShare = 9
	// captureReport is how often it is said how many were missed.
	captureReport = time.Second
	// captureBuffer is how much is written to the reader at once.
	captureBuffer = 256 << 10
)

// capture writes what a VTEP captures to a pcapng section.
type capture struct {
	agent   *Agent
	sources []captureSource
	snap    int
	link    pcapng.LinkType // of most packets; some programs read no mixture
	filters map[pcapng.LinkType]*pcapfilter.Filter
	out     *bufio.Writer
	flush   func() error
	file    *pcapng.Writer
	ports   map[captureInterface]int // numbers of interfaces
	packet  []byte                   // with outer headers

	written, missed uint64
	err             error
}

// missedName is the interface of what was missed, where there is no other.
const missedName = "missed"

// captureSource is one of the node's VTEPs, and what it captures.
type captureSource struct {
	*dataplane.Capture
	endpoint *endpoint
}

// captureInterface is what tells interfaces apart.
type captureInterface struct {
	name  string
	vni   encap.VNI
	link  pcapng.LinkType
	local netip.Addr // of the VTEP, for what is captured on the wire
}

// Capture implements [api.Capturer].
func (a *Agent) Capture(what api.Capture) (func(context.Context, io.Writer, func() error) error, error) {
	c := &capture{agent: a, snap: what.SnapLen, ports: make(map[captureInterface]int)}
	cfg := dataplane.CaptureConfig{VNI: what.VNI, Remote: what.Remote, Stages: captureStages(what.Stages)}
	if c.link = pcapng.Ethernet; cfg.Stages == dataplane.StageWire {
		c.link = pcapng.RawIP
	}
	if strings.TrimSpace(what.Filter) == "" {
		cfg.SnapLen = what.SnapLen
	} else {
		// A filter is asked about whole frames.
		c.filters = make(map[pcapng.LinkType]*pcapfilter.Filter)
		for link, as := range map[pcapng.LinkType]pcapfilter.Link{pcapng.Ethernet: pcapfilter.Ethernet, pcapng.RawIP: pcapfilter.RawIP} {
			f, err := pcapfilter.Compile(what.Filter, as)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
			}
			c.filters[link] = f
		}
	}
	endpoints := a.endpoints
	if what.VNI != 0 {
		n, err := a.network(what.VNI)
		if err != nil {
			return nil, err
		}
		endpoints = []*endpoint{n.home}
	}
	if err := c.open(endpoints, cfg); err != nil {
		return nil, err
	}
	return c.run, nil
}

// open begins to capture at these VTEPs.
func (c *capture) open(endpoints []*endpoint, cfg dataplane.CaptureConfig) error {
	for _, e := range endpoints {
		frames, err := e.vtep.Capture(cfg)
		if errors.Is(err, dataplane.ErrBusy) {
			err = &api.Error{Status: http.StatusConflict, Message: "too many captures run already: end one"}
		}
		if err != nil {
			c.close()
			return err
		}
		c.sources = append(c.sources, captureSource{frames, e})
	}
	return nil
}

func (c *capture) close() {
	for _, s := range c.sources {
		s.Close()
	}
}

// drain takes out up to so many frames of each VTEP's.
func (c *capture) drain(limit int) (n int) {
	for _, s := range c.sources {
		n += s.Drain(limit, func(f *dataplane.Captured) { c.take(s.endpoint, f) })
	}
	return n
}

func captureStages(names []api.CaptureStage) (stages dataplane.Stage) {
	for _, name := range names {
		switch name {
		case api.CaptureTap:
			stages |= dataplane.StageTap
		case api.CaptureWire:
			stages |= dataplane.StageWire
		case api.CaptureDropped:
			stages |= dataplane.StageDropped
		}
	}
	if stages == 0 {
		return dataplane.StageTap
	}
	return stages
}

// run is the capture's life.
func (c *capture) run(ctx context.Context, out io.Writer, flush func() error) error {
	defer c.close()
	c.out, c.flush = bufio.NewWriterSize(out, captureBuffer), flush
	if c.file, c.err = pcapng.NewWriter(c.out, "vxtap "+c.agent.version); c.err != nil {
		return c.err
	}
	c.push()
	rest := time.NewTimer(captureTick)
	defer rest.Stop()
	reported := time.Now()
	for c.err == nil {
		select {
		case <-ctx.Done():
			c.close()
			c.drain(1 << 30)
			c.report()
			c.push()
			return c.err
		case <-rest.C:
		}
		begun := time.Now()
		if n := c.drain(captureTurn); n > 0 {
			c.push()
		}
		if begun.Sub(reported) >= captureReport {
			c.report()
			reported = begun
		}
		rest.Reset(c.pause(time.Since(begun)))
	}
	return c.err
}

// pause is how long to rest after some work.
func (c *capture) pause(worked time.Duration) time.Duration {
	return max(captureTick, captureShare*worked)
}

// push has everything written reach the reader.
func (c *capture) push() {
	if c.err == nil {
		c.err = c.out.Flush()
	}
	if c.err == nil {
		c.err = c.flush()
	}
}

// report says how many frames were missed, if there were more.
func (c *capture) report() {
	missed := uint64(0)
	for _, s := range c.sources {
		missed += s.Missed()
	}
	if missed == c.missed || c.err != nil {
		return
	}
	c.missed = missed
	if len(c.ports) == 0 { // nothing was written yet
		c.number(captureInterface{name: missedName, link: c.link, local: c.agent.node.Local})
	}
	if c.err == nil { // said of the first, as it is not known of which they were
		c.err = c.file.WriteStats(0, time.Now(), c.written+missed, missed)
	}
	c.push()
}

// take writes one frame, if it is wanted.
func (c *capture) take(from *endpoint, f *dataplane.Captured) {
	if c.err != nil {
		return
	}
	p := pcapng.Packet{Time: f.Time, Direction: pcapng.Inbound, Length: f.Length, Data: f.Data, Comment: comment(f)}
	if f.Out {
		p.Direction = pcapng.Outbound
	}
	where := captureInterface{name: captureName(f), vni: f.VNI, link: pcapng.Ethernet}
	if f.Packet {
		c.packet = from.putOuter(c.packet[:0], f)
		p.Length += len(c.packet) - len(f.Data)
		where.link, where.vni, where.local, p.Data = pcapng.RawIP, 0, from.node.Local, c.packet
	}
	if filter := c.filters[where.link]; filter != nil && !filter.Match(p.Data) {
		return
	}
	if c.snap > 0 && len(p.Data) > c.snap {
		p.Data = p.Data[:c.snap]
	}
	if p.Interface = c.number(where); c.err == nil {
		c.err = c.file.WritePacket(&p)
		c.written++
	}
}

// captureName is how the interface is called that a frame was captured on.
func captureName(f *dataplane.Captured) string {
	switch f.Stage {
	case dataplane.StageTap:
		return f.Port
	case dataplane.StageWire:
		return "wire"
	}
	return "dropped"
}

// number returns an interface's, which is described when it is met first.
func (c *capture) number(i captureInterface) int {
	n, known := c.ports[i]
	if known {
		return n
	}
	d := pcapng.Interface{Name: i.name, Link: i.link, SnapLen: c.snap}
	switch {
	case i.name == missedName:
		d.Description = "what was missed, of all interfaces"
	case i.link == pcapng.RawIP:
		d.Description = "VTEP " + netip.AddrPortFrom(i.local, c.agent.node.Port).String()
	case i.vni != 0:
		d.Description = fmt.Sprintf("network %d", i.vni)
	}
	n, c.err = c.file.AddInterface(d)
	c.ports[i] = n
	return n
}

// comment says why a frame was dropped, and what is known of it.
func comment(f *dataplane.Captured) string {
	if f.Stage != dataplane.StageDropped {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dropped: %v", f.Drop)
	if f.Frames > 1 {
		fmt.Fprintf(&b, ", %d frames", f.Frames)
	}
	if f.VNI != 0 {
		fmt.Fprintf(&b, ", network %d", f.VNI)
	}
	switch {
	case f.Port != "":
		fmt.Fprintf(&b, ", from port %s", f.Port)
	case f.Out:
		fmt.Fprintf(&b, ", to %v", f.Remote)
	default:
		fmt.Fprintf(&b, ", from %v", f.Remote)
	}
	return b.String()
}
