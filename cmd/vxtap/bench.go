package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// benchOptions is what the flags of bench say.
type benchOptions struct {
	underlays []netlab.Underlay
	mtus      []int
	ipv6      bool
	duration  time.Duration // of each measurement
	runs      int
	subjects  []string // keys of benchKinds
	measures  []*benchMeasure
	against   []benchForeign
	tunnels   string // program; "" for none
	json      bool
	html      string // file; "" for none
	profile   string // directory; "" for none
	sink      bool
	quick     bool
}

const benchHelp = `Measure what this machine carries: straight over a veth pair, through the kernel's
VXLAN, and through vxtap. Everything happens between two network namespaces that are
made for it and removed in the end, on Ctrl-C too; no other tool is needed.

In every round each measurement visits all subjects one after the other, and a ratio
compares a subject with the kernel in the same round, so that ratios hold on a machine
that does other things meanwhile. What is shown is the median over the rounds, and what
the lowest and highest round said.

Subjects:
` + "%s" + `
Measures:
` + "%s" + `
UDP is sent and received datagram by datagram, in batches but without offloads; its
rate is the highest found that loses less than 0.1 %%. CPU seconds are those of the whole
machine, generator and sink included, and of the vxtap processes alone.

hostile is measured only if asked for: how much of its rate UDP of 20 000 datagrams a second
and a TCP stream keep while malformed datagrams come to the same port, as many as one
thread can send, up to a million a second.

Underlays: super is a veth pair as it is, over which 64 KB packets cross whole; wire
makes each packet a packet, and the receiver merge them as a network card's driver does;
bare is wire without the merging.

A tunnel of your own is measured along with --against NAME=ADDR[:PORT]@NETNS: traffic
goes from network namespace NETNS to ADDR. At the far end, where ADDR is, run

  ip netns exec FAR vxtap bench --sink

Or have tunnels brought up between the hosts of the bench, over the same veth pair:
--tunnels PROGRAM runs "PROGRAM NETNS_A ADDR_A NETNS_B ADDR_B MTU" for each pair, where
the NETNS are paths, and ADDR and MTU the veths'. For each tunnel it prints a line
NAME=ADDR, with an address that host a reaches host b at, or NAME: REASON for one that
cannot be had; then a line "ready"; and keeps them up until SIGTERM.

Needs Linux and root.`

// newBenchOptions is what no flag changed.
func newBenchOptions() *benchOptions {
	return &benchOptions{
		underlays: []netlab.Underlay{netlab.Super, netlab.Wire},
		mtus:      []int{1500},
		duration:  benchDuration,
		runs:      benchRuns,
		subjects:  benchKindDefaults(),
		measures:  usualBenchMeasures(),
	}
}

func newBenchCommand(e *env) *cobra.Command {
	o := newBenchOptions()
	c := &cobra.Command{
		Use:     "bench [flags]",
		Short:   "Measure this machine, beside the kernel's VXLAN where there is one",
		Long:    fmt.Sprintf(benchHelp, describeKinds(), describeMeasures()),
		Example: "  vxtap bench --quick\n  vxtap bench --underlay wire --measures tcp1,udp64 --html report.html\n  vxtap bench --against mine=10.7.0.2@blue",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.hurry(cmd.Flags())
			if err := o.checkAgainst(); err != nil {
				return usageError{err}
			}
			if o.sink {
				return runBenchSink(cmd.Context(), e)
			}
			return runBench(cmd.Context(), e, o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *benchOptions) flags(fs *pflag.FlagSet) {
	fs.SortFlags = false
	flagOf(fs, &o.underlays, listParser("underlay", netlab.ParseUnderlay), "underlay", "LIST", "super,wire", "underlays: super, wire, bare")
	flagOf(fs, &o.mtus, listParser("MTU", parseBenchMTU), "mtu", "LIST", "1500", "MTUs of the underlay")
	fs.BoolVar(&o.ipv6, "ipv6", false, "tunnel over IPv6")
	flagOf(fs, &o.duration, parseBenchDuration, "duration", "TIME", fmt.Sprint(benchDuration), "how long each measurement counts")
	flagOf(fs, &o.runs, parseBenchRuns, "runs", "N", fmt.Sprint(benchRuns), "how many rounds")
	fs.BoolVar(&o.quick, "quick", false, fmt.Sprintf("one round of %v each, under two minutes", benchQuickDuration))
	flagOf(fs, &o.subjects, listParser("subject", parseBenchSubject), "subjects", "LIST", strings.Join(benchKindDefaults(), ","), "what is measured")
	flagOf(fs, &o.measures, listParser("measure", parseBenchMeasure), "measures", "LIST", strings.Join(keysOf(usualBenchMeasures()), ","), "how it is measured")
	listOf(fs, &o.against, parseBenchForeign, "against", "NAME=ADDR[:PORT]@NETNS", "measure a tunnel of your own, too")
	fs.StringVar(&o.tunnels, "tunnels", "", "measure the tunnels that `PROGRAM` brings up between the hosts, too")
	fs.BoolVar(&o.json, "json", false, "print JSON: every sample of every round")
	fs.StringVar(&o.html, "html", "", "write a report with charts to `FILE`")
	fs.StringVar(&o.profile, "profile", "", "write CPU profiles of both vxtap ends to `DIR`, here if none is named, and print the ten hottest functions")
	fs.Lookup("profile").NoOptDefVal = "."
	fs.BoolVar(&o.sink, "sink", false, fmt.Sprintf("be the far end of --against, on port %d, until Ctrl-C", traffic.DefaultPort))
	_ = fs.MarkHidden("sink") // the text above says when
}

// hurry has --quick change what no flag named.
func (o *benchOptions) hurry(fs *pflag.FlagSet) {
	if !o.quick {
		return
	}
	if !fs.Changed("runs") {
		o.runs = 1
	}
	if !fs.Changed("duration") {
		o.duration = benchQuickDuration
	}
}

// listParser parses a list with commas, none of it twice.
func listParser[T comparable](what string, parse func(string) (T, error)) func(string) ([]T, error) {
	return func(s string) ([]T, error) {
		var list []T
		for text := range strings.SplitSeq(s, ",") {
			v, err := parse(strings.TrimSpace(text))
			if err != nil {
				return nil, err
			}
			if slices.Contains(list, v) {
				return nil, fmt.Errorf("%s %s is there twice", what, text)
			}
			list = append(list, v)
		}
		return list, nil
	}
}

func parseBenchMTU(s string) (int, error) {
	// 1500 bytes of UDP payload and more fit into none that is smaller.
	const lowest, highest = 1500, 65535
	n, err := strconv.Atoi(s)
	if err != nil || n < lowest || n > highest {
		return 0, fmt.Errorf("bad MTU %q: want one from %d to %d", s, lowest, highest)
	}
	return n, nil
}

func parseBenchDuration(s string) (time.Duration, error) {
	const shortest, longest = 20 * time.Millisecond, time.Hour
	d, err := time.ParseDuration(s)
	if err != nil || d < shortest || d > longest {
		return 0, fmt.Errorf("bad duration %q: want a time from %v to %v, like 500ms", s, shortest, longest)
	}
	return d, nil
}

func parseBenchRuns(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("bad number of runs %q: want one from 1 to 1000", s)
	}
	return n, nil
}
