package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/pcapfilter"
	"github.com/vxtap/vxtap/control/pcapng"
	"github.com/vxtap/vxtap/encap"
)

// captureOptions is what the flags of capture say.
type captureOptions struct {
	what api.Capture
	file string
}

func newCaptureCommand(e *env) *cobra.Command {
	o := &captureOptions{}
	c := &cobra.Command{
		Use:   "capture [flags]",
		Short: "Capture frames on their way through the agent into a pcapng file",
		Long: `Capture frames on their way through the agent, on one stage of it or several:

  tap      frames as they were read from ports and written to them (the default)
  wire     datagrams as they were received and sent, sealed ones as they are; their IP
           and UDP headers are rebuilt from what a socket tells
  dropped  frames that went nowhere, each with the reason as its comment

The file names the interface of each packet: a port's, "wire" or "dropped". Superframes
are captured whole, as tcpdump does. The filter is tcpdump's, but that names of hosts
are not looked up; on wire, it is about the outer headers. What the agent has no
time to capture is missed, and counted; frames never wait. Ctrl-C ends it.`,
		Example: `  vxtap capture -w overlay.pcapng --network 42 --filter 'tcp port 80'
  vxtap capture --stage dropped | tshark -r - -T fields -e frame.comment
  vxtap capture --stage wire --remote 10.9.0.2 | tcpdump -n -r -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), e) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	flagOf(fs, &o.what.VNI, encap.ParseVNI, "network", "VNI", "", "only this network")
	flagOf(fs, &o.what.Remote, parseCaptureRemote, "remote", "ADDR", "", "only what goes to this VTEP or comes from it")
	listOf(fs, &o.what.Stages, parseCaptureStage, "stage", "tap|wire|dropped", "where to capture")
	flagOf(fs, &o.what.Filter, parseCaptureFilter, "filter", "EXPRESSION", "", "only packets that tcpdump would take")
	flagOf(fs, &o.what.SnapLen, parseSnapLen, "snaplen", "BYTES", "0", "how many bytes of each packet are kept at most; 0 for all")
	fs.StringVarP(&o.file, "write", "w", "-", "`FILE` to write, replaced if it is there; - is the standard output")
	return c
}

func parseCaptureStage(s string) (api.CaptureStage, error) {
	if !slices.Contains(api.CaptureStages, api.CaptureStage(s)) {
		return "", fmt.Errorf("bad stage %q: want tap, wire or dropped", s)
	}
	return api.CaptureStage(s), nil
}

func parseCaptureRemote(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("bad address %q: want that of a VTEP", s)
	}
	return a.Unmap(), nil
}

// parseCaptureFilter compiles a filter only to see whether it can be; the agent does so
// again.
func parseCaptureFilter(s string) (string, error) {
	_, err := pcapfilter.Compile(s, pcapfilter.Ethernet)
	return s, err
}

func parseSnapLen(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("bad length %q: want a number of bytes, or 0 for all", s)
	}
	return int(n), nil
}

// captureFarewell is how long an agent has to send what it still has once the capture is
// to end.
const captureFarewell = 5 * time.Second

func (o *captureOptions) run(ctx context.Context, e *env) (err error) {
	if o.file == "-" && e.terminal {
		return usagef("a capture is not for a terminal: name a file with -w FILE, or pipe it to tcpdump -r - or tshark -r -")
	}
	// A reader who closes the pipe is to be told of as an error, not to end the process.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	defer signal.Stop(pipes)
	stopped, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := api.NewClient(e.socket).Capture(ctx, o.what)
	if err != nil {
		return err
	}
	defer stream.Close()
	out, closeOut, err := o.open(e)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "capturing %s to %s; Ctrl-C ends it\n", o.stages(), o.name())
	defer context.AfterFunc(stopped, func() {
		stop() // a second signal ends the process at once
		_ = stream.Stop()
		time.AfterFunc(captureFarewell, cancel)
	})()
	counts, err := pcapng.Copy(out, stream)
	err = errors.Join(o.ended(stopped, e, err), closeOut())
	fmt.Fprintf(e.stderr, "%d frames captured, %d missed\n", counts.Packets, counts.Missed)
	return err
}

// open returns where to write.
func (o *captureOptions) open(e *env) (io.Writer, func() error, error) {
	if o.file == "-" {
		return e.stdout, func() error { return nil }, nil
	}
	f, err := os.Create(o.file)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write the capture: %w", err)
	}
	return f, f.Close, nil
}

// ended says what it means that copying did.
func (o *captureOptions) ended(stopped context.Context, e *env, err error) error {
	var failed *pcapng.WriteError
	switch {
	case errors.As(err, &failed) && errors.Is(err, syscall.EPIPE):
		fmt.Fprintln(e.stderr, "who read the capture has closed it")
		return nil
	case errors.As(err, &failed):
		return fmt.Errorf("the capture ends early: write %s: %w", o.name(), bareWriteError(failed.Err))
	case errors.Is(err, pcapng.ErrFormat):
		return fmt.Errorf("what answers on %s is no vxtap agent: %w", e.socket, err)
	case stopped.Err() != nil:
		return nil
	}
	return fmt.Errorf("the agent on %s ended, and the capture with it", e.socket)
}

// bareWriteError is an error of a file without the file's name.
func bareWriteError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (o *captureOptions) name() string {
	if o.file == "-" {
		return "the standard output"
	}
	return o.file
}

func (o *captureOptions) stages() string {
	words := []string{}
	for _, s := range o.what.Stages {
		words = append(words, string(s))
	}
	if len(words) == 0 {
		words = []string{string(api.CaptureTap)}
	}
	return strings.Join(words, ", ")
}
