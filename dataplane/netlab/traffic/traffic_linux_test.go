package traffic_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// pair is two hosts with a cable between them, and a sink on the second.
type pair struct {
	a, b    *netlab.Host
	v4, v6  *traffic.Client
	stop    context.CancelFunc // ends the sink
	stopped chan error
}

func newPair(t *testing.T) *pair {
	t.Helper()
	lab, err := netlab.New("traffic")
	check(t, err)
	t.Cleanup(func() { check(t, lab.Close()) })
	p := &pair{stopped: make(chan error, 1)}
	p.a, err = lab.Host("a")
	check(t, err)
	p.b, err = lab.Host("b")
	check(t, err)
	check(t, lab.Link(p.a, "eth0", p.b, "eth0", netlab.LinkConfig{
		A: prefixes("10.9.0.1/24", "fd09::1/64"),
		B: prefixes("10.9.0.2/24", "fd09::2/64"),
	}))
	sink, err := traffic.Listen(p.b.Do, netip.MustParseAddrPort("[::]:0"))
	check(t, err)
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	go func() { p.stopped <- sink.Serve(ctx) }()
	t.Cleanup(func() {
		p.stop()
		check(t, <-p.stopped)
	})
	p.v4 = traffic.NewClient(p.a.Do, netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), sink.Addr().Port()))
	p.v6 = traffic.NewClient(p.a.Do, netip.AddrPortFrom(netip.MustParseAddr("fd09::2"), sink.Addr().Port()))
	return p
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, s := range texts {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// At a rate that nothing has trouble with, every datagram is counted, once.
func TestEveryDatagramIsCounted(t *testing.T) {
	p := newPair(t)
	for name, client := range map[string]*traffic.Client{"IPv4": p.v4, "IPv6": p.v6} {
		for _, cfg := range []traffic.UDPConfig{
			{Sizes: []int{64}, Flows: 1},
			{Sizes: []int{64}, Flows: 64},
			{Sizes: []int{12, 1400, 548}, Flows: 3},
		} {
			cfg.Rate, cfg.Duration = 5000, 200*time.Millisecond
			r, err := client.UDP(within(t), cfg)
			check(t, err)
			if r.Sent < 100 || r.Received != r.Sent || r.Duplicates+r.Reordered+r.SinkDrops != 0 {
				t.Errorf("%s, %d flows of %v: %+v", name, cfg.Flows, cfg.Sizes, r)
			}
			if r.Elapsed < cfg.Duration || r.Offered() > 1.1*cfg.Rate {
				t.Errorf("%s, %d flows of %v: took %v at %.0f/s", name, cfg.Flows, cfg.Sizes, r.Elapsed, r.Offered())
			}
		}
	}
}

// What a queue on the way dropped, so that it never came to the other host, is what the result
// says was lost. The queue may have dropped something else as well: the hosts' own neighbour
// discovery and the client's words with the sink go through it too.
func TestLossIsWhatTheQueueDropped(t *testing.T) {
	p := newPair(t)
	link, err := p.a.Netlink().LinkByName("eth0")
	check(t, err)
	tbf := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       1e6, Limit: 20000, Buffer: 20000, // bytes a second, bytes, bytes
	}
	check(t, p.a.Netlink().QdiscAdd(tbf))
	before, err := p.b.SNMP()
	check(t, err)
	r, err := p.v4.UDP(within(t), traffic.UDPConfig{Sizes: []int{1000}, Flows: 1, Rate: 10000, Duration: 300 * time.Millisecond})
	check(t, err)
	after, err := p.b.SNMP()
	check(t, err)
	qdiscs, err := p.a.Netlink().QdiscList(link)
	check(t, err)
	dropped := uint64(qdiscs[0].Attrs().Statistics.Queue.Drops)
	lost := r.Sent - (after["UdpInDatagrams"] - before["UdpInDatagrams"])
	if lost == 0 || r.Sent-r.Received != lost || dropped < lost || r.SinkDrops != 0 {
		t.Errorf("%+v, %d did not come, and the queue dropped %d", r, lost, dropped)
	}
	if want := float64(lost) / float64(r.Sent); r.Loss() < want-1e-9 || r.Loss() > want+1e-9 {
		t.Errorf("loss %v, want %v", r.Loss(), want)
	}
}

func TestTCP(t *testing.T) {
	p := newPair(t)
	for _, streams := range []int{1, 4} {
		marks := 0
		r, err := p.v6.TCP(within(t), traffic.TCPConfig{
			Streams: streams, WarmUp: 50 * time.Millisecond, Duration: 200 * time.Millisecond, Mark: func() { marks++ },
		})
		check(t, err)
		if r.Bytes == 0 || r.Rate() < 1e6 || marks != 2 {
			t.Errorf("%d streams: %+v, %d marks", streams, r, marks)
		}
	}
}

func TestRTT(t *testing.T) {
	p := newPair(t)
	for _, interval := range []time.Duration{0, time.Millisecond} {
		r, err := p.v4.RTT(within(t), traffic.RTTConfig{Size: 64, Interval: interval, WarmUp: 10 * time.Millisecond, Duration: 100 * time.Millisecond})
		check(t, err)
		if len(r.Times) == 0 || r.Times[0] <= 0 || r.Lost != 0 {
			t.Errorf("interval %v: %d times, %d lost", interval, len(r.Times), r.Lost)
		}
		if interval > 0 && len(r.Times) > 101 {
			t.Errorf("interval %v: %d in 100 ms", interval, len(r.Times))
		}
	}
}

// A measurement ends when its context does, and says so.
func TestCancel(t *testing.T) {
	p := newPair(t)
	for name, measure := range map[string]func(context.Context) error{
		"TCP": func(ctx context.Context) error {
			_, err := p.v4.TCP(ctx, traffic.TCPConfig{Streams: 2, Duration: time.Hour})
			return err
		},
		"UDP": func(ctx context.Context) error {
			_, err := p.v4.UDP(ctx, traffic.UDPConfig{Sizes: []int{64}, Flows: 2, Rate: 100, Duration: time.Hour})
			return err
		},
		"RTT": func(ctx context.Context) error {
			_, err := p.v4.RTT(ctx, traffic.RTTConfig{Size: 64, Interval: time.Millisecond, Duration: time.Hour})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if err := measure(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// A sink that ends takes its measurements along, and one that is not there is named.
func TestNoSink(t *testing.T) {
	p := newPair(t)
	started, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := p.v4.TCP(context.Background(), traffic.TCPConfig{Streams: 1, Duration: time.Hour, Mark: func() { close(started) }})
		failed <- err
	}()
	<-started
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Error(err)
	}
	p.stopped <- nil
	// Only the next question finds out; the hour is too long to wait for, so the stream
	// has to.
	select {
	case err := <-failed:
		if err == nil {
			t.Error("a measurement without its sink succeeded")
		}
	case <-time.After(30 * time.Second):
		t.Error("a measurement outlives its sink")
	}
	_, err := p.v4.RTT(within(t), traffic.RTTConfig{Size: 64})
	if err == nil || !strings.Contains(err.Error(), "reach the sink") || !strings.Contains(err.Error(), "10.9.0.2") {
		t.Errorf("without a sink: %v", err)
	}
}

func TestBadConfigs(t *testing.T) {
	p := newPair(t)
	_, err := p.v4.UDP(within(t), traffic.UDPConfig{Sizes: []int{11}, Flows: 1})
	if err == nil {
		t.Error("11 bytes were sent")
	}
	_, err = p.v4.UDP(within(t), traffic.UDPConfig{Sizes: []int{64}, Flows: 5000})
	if err == nil || !strings.Contains(err.Error(), "5000 flows") {
		t.Errorf("5000 flows: %v", err)
	}
	_, err = p.v4.RTT(within(t), traffic.RTTConfig{Size: 3})
	if err == nil {
		t.Error("3 bytes went to and fro")
	}
}
