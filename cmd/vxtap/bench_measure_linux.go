package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// greet has every subject carry something before anything counts: addresses are
// resolved and learned, and what does not work shows at once.
func (l *benchLab) greet(ctx context.Context) error {
	for _, s := range l.subjects {
		_, err := s.client.RTT(ctx, traffic.RTTConfig{Size: 64, Duration: 20 * time.Millisecond})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			l.note("%s does not work: %v", s.name, err)
		}
	}
	return nil
}

// round takes every measurement of every subject once. The order of the subjects turns
// from round to round, so that none always follows the same one.
func (l *benchLab) round(ctx context.Context, round int) error {
	memory := watchMemory(l.subjects)
	defer memory.stop()
	for _, m := range l.measures {
		if m.passive() {
			continue
		}
		for i := range l.subjects {
			s := l.subjects[(i+round)%len(l.subjects)]
			if m.hostile && !s.target.IsValid() {
				continue // nobody is there to be molested
			}
			if err := l.measure(ctx, m, s, round); err != nil {
				return err
			}
		}
	}
	peaks := memory.stop()
	for _, m := range l.measures {
		if m.passive() {
			l.noteMemory(m, peaks, round)
		}
	}
	return nil
}

// measure takes one measurement and files it. That it failed is a result, too; the error
// is that ctx ended, or that nothing can be measured any more.
func (l *benchLab) measure(ctx context.Context, m *benchMeasure, s *benchSubject, round int) error {
	title := fmt.Sprintf("%s, round %d of %d, %s, %s", l.part.title(), round+1, l.runs, m.Title, s.name)
	l.progress.begin(fmt.Sprintf("%s %d, round %d/%d, %s of %s", l.underlay, l.mtu, round+1, l.runs, m.Key, s.name))
	sample, err := l.sample(ctx, s, m, l.duration)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := l.sink.alive(); err != nil {
		return err
	}
	sample.Round = round
	result := fmt.Sprintf("%s %s", number(sample.Values[m.Figures[0].Key], m.Figures[0].Digits), m.Figures[0].Title)
	if err != nil {
		sample = benchSample{Round: round, Err: oneLine(err)}
		result = "failed: " + sample.Err
	}
	r := l.part.result(m.Key, s.name)
	r.Samples = append(r.Samples, sample)
	l.progress.done(title, result, m.cost(l.duration, round))
	return nil
}

// sample takes one measurement of a subject.
func (l *benchLab) sample(ctx context.Context, s *benchSubject, m *benchMeasure, d time.Duration) (sample benchSample, err error) {
	if err := s.alive(); err != nil {
		return sample, err
	}
	switch {
	case m.streams > 0:
		sample, err = s.sampleTCP(ctx, m.streams, d)
	case m.udp != nil:
		sample, err = s.sampleUDP(ctx, m, d)
	case m.rtt != nil:
		sample, err = s.sampleRTT(ctx, m.rtt, d)
	case m.hostile:
		sample, err = s.sampleHostile(ctx, l.a.Do, d)
	}
	return sample, errors.Join(s.alive(), err)
}

func (s *benchSubject) alive() error {
	for _, child := range slices.Concat(s.ends, s.captures) {
		if err := child.alive(); err != nil {
			return err
		}
	}
	if s.keeper != nil {
		return s.keeper.alive()
	}
	return nil
}

// sampleTCP sets the time that the processors worked against what arrived between the same
// two moments.
func (s *benchSubject) sampleTCP(ctx context.Context, streams int, d time.Duration) (benchSample, error) {
	var marks []cpuTime
	res, err := s.client.TCP(ctx, traffic.TCPConfig{
		Streams: streams, WarmUp: benchWarmUp(d), Duration: d,
		Mark: func() { marks = append(marks, s.cpuTime()) },
	})
	if err != nil {
		return benchSample{}, err
	}
	gbits := 8 * float64(res.Bytes) / 1e9
	if gbits == 0 {
		return benchSample{}, errors.New("nothing arrived")
	}
	values := map[string]float64{
		"gbit_per_s":     res.Rate() / 1e9,
		"cpu_s_per_gbit": (marks[1].machine - marks[0].machine).Seconds() / gbits,
	}
	if len(s.ends) > 0 {
		values["vxtap_cpu_s_per_gbit"] = (marks[1].ends - marks[0].ends).Seconds() / gbits
	}
	return benchSample{Values: values}, nil
}

// sampleUDP searches for the highest rate. From the second round on it begins where the last
// one ended, which saves probes and does not bind it: what counts is the final trial.
func (s *benchSubject) sampleUDP(ctx context.Context, m *benchMeasure, d time.Duration) (benchSample, error) {
	search := traffic.Search{
		Start: s.rates[m.Key],
		Try: func(rate float64, final bool) (traffic.UDPResult, error) {
			cfg := traffic.UDPConfig{Sizes: m.udp.sizes, Flows: m.udp.flows, Rate: rate, Duration: benchProbe(d)}
			if final {
				cfg.Duration = d
			}
			return s.client.UDP(ctx, cfg)
		},
	}
	res, err := search.Run()
	if err != nil {
		return benchSample{}, err
	}
	s.rates[m.Key] = res.Offered()
	return benchSample{Limited: search.Limited, Values: map[string]float64{
		"kpps":         res.Delivered() / 1000,
		"loss_percent": 100 * res.Loss(),
		"reordered":    float64(res.Reordered),
		"duplicates":   float64(res.Duplicates),
		"sink_drops":   float64(res.SinkDrops),
	}}, nil
}

// sampleRTT measures round trips, beside a TCP stream in the same direction if asked.
func (s *benchSubject) sampleRTT(ctx context.Context, cfg *benchRTT, d time.Duration) (sample benchSample, err error) {
	if cfg.loaded {
		stop, err := s.load(ctx, benchWarmUp(d))
		if err != nil {
			return benchSample{}, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	res, err := s.client.RTT(ctx, traffic.RTTConfig{Size: 64, Interval: cfg.interval, WarmUp: benchWarmUp(d), Duration: d})
	if err != nil {
		return benchSample{}, err
	}
	sample.Values = map[string]float64{"lost": float64(res.Lost)}
	for key, p := range map[string]float64{"p50_us": 50, "p99_us": 99, "p999_us": 99.9} {
		sample.Values[key] = micros(res.Percentile(p))
	}
	for _, p := range benchPercentiles {
		sample.Latency = append(sample.Latency, micros(res.Percentile(p)))
	}
	return sample, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// load has a TCP stream run beside what follows, until stop, which says if it ended
// before. It returns once the stream is warm.
func (s *benchSubject) load(ctx context.Context, warm time.Duration) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	flowing, ended := make(chan struct{}, 2), make(chan error, 1)
	go func() {
		_, err := s.client.TCP(ctx, traffic.TCPConfig{
			Streams: 1, WarmUp: warm, Duration: 24 * time.Hour, Mark: func() { flowing <- struct{}{} },
		})
		ended <- err
	}()
	select {
	case <-flowing:
	case err := <-ended:
		cancel()
		return nil, err
	}
	return func() error {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}, nil
}

// noteMemory files what the watch over memory saw in a round.
func (l *benchLab) noteMemory(m *benchMeasure, peaks map[*benchSubject]memoryUse, round int) {
	for _, s := range l.subjects {
		if len(s.ends) == 0 {
			continue
		}
		use := peaks[s]
		r := l.part.result(m.Key, s.name)
		r.Samples = append(r.Samples, benchSample{Round: round, Values: map[string]float64{
			"anon_mib": float64(use.anon) / (1 << 20),
			"hwm_mib":  float64(use.peak) / (1 << 20),
		}})
	}
}
