package main

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
	"github.com/vxtap/vxtap/encap"
)

const (
	hostileRate = 1e6 // of malformed datagrams a second
	honestRate  = 20e3
	honestSize  = 1200
)

// malformed is packets that a VTEP refuses, one for nearly every reason that a stranger can
// give it.
func malformed(vni uint32) [][]byte {
	header := func(word uint64, rest int) []byte {
		return append(binary.BigEndian.AppendUint64(nil, word), make([]byte, rest)...)
	}
	network := encap.VXLANFlagI | uint64(vni)<<8
	noSource := header(network, 60)
	for i := range 6 {
		noSource[encap.VXLANSize+i] = 0xff // to all, from no MAC
	}
	sealed := func(kind byte, size int) []byte {
		p := make([]byte, size)
		p[0], p[1] = kind, 1
		binary.BigEndian.PutUint32(p[4:], 0x5eed)
		return p
	}
	return [][]byte{
		header(0, 60), {1}, header(encap.VXLANFlagI|0xfffffe<<8, 60), header(network|1, 60), header(network, 10), noSource,
		sealed(encap.SealedData, 100), sealed(encap.SealedInitiation, 200), sealed(encap.SealedCookie, 64), {0x40, 0xff, 0, 0},
	}
}

// sampleHostile measures what honest flows lose by a storm, each beside it and just before.
func (s *benchSubject) sampleHostile(ctx context.Context, place traffic.Place, d time.Duration) (benchSample, error) {
	udp := func() (float64, error) {
		r, err := s.client.UDP(ctx, traffic.UDPConfig{Sizes: []int{honestSize}, Flows: 1, Rate: honestRate, Duration: d})
		return r.Delivered(), err
	}
	tcp := func() (float64, error) {
		r, err := s.client.TCP(ctx, traffic.TCPConfig{Streams: 1, WarmUp: benchWarmUp(d), Duration: d})
		return r.Rate(), err
	}
	sample := benchSample{Values: map[string]float64{}}
	var sent traffic.StormResult
	for key, flow := range map[string]func() (float64, error){"udp_kept_percent": udp, "tcp_kept_percent": tcp} {
		quiet, err := flow()
		if err != nil {
			return sample, err
		}
		end := s.storm(ctx, place)
		beside, err := flow()
		storm, failed := end()
		if err = errors.Join(err, failed); err != nil {
			return sample, err
		}
		sample.Values[key] = 100 * finite(beside/quiet)
		sent.Sent += storm.Sent
		sent.Elapsed += storm.Elapsed
	}
	sample.Values["storm_kpps"] = sent.Rate() / 1000
	return sample, nil
}

// storm begins one, which lasts until it is ended.
func (s *benchSubject) storm(ctx context.Context, place traffic.Place) (end func() (traffic.StormResult, error)) {
	ctx, cancel := context.WithCancel(ctx)
	var r traffic.StormResult
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = traffic.Storm(ctx, place, traffic.StormConfig{To: s.target, Packets: malformed(s.vni), Flows: 16, Rate: hostileRate, Trains: true})
	}()
	return func() (traffic.StormResult, error) {
		cancel()
		<-done
		return r, err
	}
}
