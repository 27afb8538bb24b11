package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// upOptions is what the flags of up say.
type upOptions struct {
	node     control.NodeSpec
	network  control.NetworkSpec
	learning bool
	tos      api.TOS
	reserved api.Mask
}

func newUpCommand(e *env) *cobra.Command {
	o := &upOptions{learning: true}
	c := &cobra.Command{
		Use:   "up --vni N --local ADDR --remote ADDR [flags]",
		Short: "Make a TAP and carry its Ethernet frames to other VTEPs as VXLAN",
		Long: `Make a TAP and carry its Ethernet frames to other VTEPs as VXLAN (RFC 7348).

Stays in the foreground, logs to stderr, and says "ready" once frames flow, to
systemd too. SIGTERM or Ctrl-C ends it, a second one at once; what it made goes with
it, however it ends.` + sealedHelp,
		Example: `  vxtap up --vni 42 --local 10.9.0.1 --remote 10.9.0.2 --address 192.168.77.1/24
  vxtap up --vni 43 --local 10.9.0.1 --remote 10.9.0.2 --sealed --psk-file /etc/vxtap/psk`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkSealFlags(cmd.Flags()); err != nil {
				return usageError{err}
			}
			if err := o.finish(); err != nil {
				return usageError{err}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			return o.run(ctx, e)
		},
	}
	o.flags(c)
	return c
}

func (o *upOptions) flags(c *cobra.Command) {
	fs := c.Flags()
	n := &o.network
	fs.SortFlags = false
	flagOf(fs, &n.VNI, encap.ParseVNI, "vni", "N", "", "VXLAN network identifier, 1 to 16777215 (required)")
	flagOf(fs, &o.node.Local, control.ParseLocal, "local", "ADDR", "", "underlay address of this host, from which it answers (required)")
	listOf(fs, &n.Remotes, control.ParseRemote, "remote", "ADDR[:PORT]", "VTEP that receives broadcast, unknown and multicast frames")
	flagOf(fs, &n.TAP, parseTAPName, "tap", "NAME", "", "name of the TAP (default vx<VNI>)")
	listOf(fs, &n.Addresses, control.ParseAddress, "address", "ADDR/LEN", "address for the TAP")
	flagOf(fs, &o.node.Port, control.ParsePort, "port", "N", "4789", "UDP port of this VTEP and of remotes")
	flagOf(fs, &n.MTU, control.ParseMTU, "mtu", "auto|N", "auto", "MTU of the TAP")
	flagOf(fs, &n.MAC, control.ParseDeviceMAC, "mac", "MAC", "", "MAC of the TAP (default 02:42 and its first address, or the local one)")
	listOf(fs, &n.Static, control.ParseStaticEntry, "fdb", "MAC=ADDR[:PORT]", "static entry of the forwarding table")
	fs.BoolVar(&o.learning, "learning", true, "learn source MACs from the tunnel")
	fs.BoolVar(&n.Closed, "closed", false, "hear only VTEPs that --remote or --fdb names")
	flagOf(fs, &n.Ageing, control.ParseAgeing, "ageing", "TIME", "300s", "how long a learned MAC is kept after its last frame; 0 for ever")
	flagOf(fs, &n.MaxMACs, parseMaxMACs, "max-macs", "N", fmt.Sprint(dataplane.DefaultMaxMACs), "how many MACs are learned at most")
	flagOf(fs, &n.TTL, control.ParseTTL, "ttl", "N", "64", "TTL or hop limit of outer packets")
	flagOf(fs, &o.tos, control.ParseTOS, "tos", "inherit|N", "inherit", "TOS or traffic class of outer packets; its ECN bits always follow the inner packet")
	flagOf(fs, &o.reserved, control.ParseReservedBits, "reserved-bits", "0xHEX", "", "reserved bits of the VXLAN header that others may set, 64 bits")
	o.sealFlags(fs)
	fs.StringVar(&n.NetNS, "netns", "", "network namespace for the TAP, by `NAME|PATH`")
	flagOf(fs, &o.node.Queues, control.ParseQueues, "queues", "N", "", fmt.Sprintf("workers in each direction, 1 to %d (default the CPUs it may use, at most %d)", control.MaxQueues, maxDefaultQueues))
	flagOf(fs, &o.node.Offload, control.ParseOffload, "offload", "auto|tap|underlay|none|off", "auto", "what is left to the kernel: all it can, only the TAP's or the UDP sockets' part, nothing; off uses the portable drivers, a frame a system call")
}

func parseTAPName(s string) (string, error) { return s, tap.CheckName(s) }

func parseMaxMACs(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 24)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("bad number of MACs %q: want one from 1 to %d", s, 1<<24-1)
	}
	return int(n), nil
}

// finish brings the flags into the specs and checks them together.
func (o *upOptions) finish() error {
	o.network.NoLearning = !o.learning
	o.network.TOS, o.network.FixedTOS = o.tos.Value, o.tos.Fixed
	o.network.ReservedBits = uint64(o.reserved)
	o.network.FloodPeers(o.node)
	if err := o.node.Check(); err != nil {
		return err
	}
	return o.network.Check(o.node)
}

// run is the agent's life.
func (o *upOptions) run(ctx context.Context, e *env) (err error) {
	log := newLogger(e.stderr)
	secrets, err := o.keys()
	if err != nil {
		return err
	}
	ln, err := api.Listen(e.socket)
	if err != nil {
		return err
	}
	agent, err := control.Open(control.AgentConfig{Node: o.node, Keys: secrets, Drivers: drivers(), Logger: log, Version: programVersion()})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer func() {
		err = errors.Join(err, agent.Close())
		log.Info("stopped")
	}()
	if err := agent.AddNetwork(o.network); err != nil {
		return errors.Join(err, ln.Close())
	}
	return serve(ctx, agent, ln, log)
}

// serve answers on the API until ctx ends or the agent fails.
func serve(ctx context.Context, agent *control.Agent, ln net.Listener, log *zap.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop() // an agent that nobody can ask is of no use
		served <- api.Serve(ctx, ln, agent)
	}()
	log.Info("ready", zap.Stringer("socket", ln.Addr()))
	notify(log, daemon.SdNotifyReady)
	err := agent.Wait(ctx)
	notify(log, daemon.SdNotifyStopping)
	log.Info("stopping", zap.NamedError("why", context.Cause(ctx)))
	stop()
	return errors.Join(err, <-served)
}

// notify tells the service manager, if there is one.
func notify(log *zap.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", zap.Error(err))
	}
}
