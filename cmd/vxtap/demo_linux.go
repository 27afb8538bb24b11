package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// demo is the hosts that one run makes, and what it finds out about them.
//
//	h1: vx42 ⇄ vxtap ⇄ eth0 ─┐
//	                         ├─ switch
//	h2: vx42 ⇄ vxtap ⇄ eth0 ─┘
//
// Each host is a network namespace, and so is the switch. There is no way from vx42 to
// vx42 but through both vxtaps, so what arrives has been carried by them.
//
// Whatever way a demo ends, nothing of it is to stay:
//
//   - The end, a failure, and a signal that can be caught lead to close.
//   - When it is killed, the kernel ends its children (see [netlab.Host.Start]), and with
//     them their TAPs. Names in the file system go with the next demo (see [demoRoom]).
type demo struct {
	*demoOptions
	out   io.Writer
	term  bool        // out is a terminal
	room  *demoRoom   // nil until it is made
	lab   *netlab.Lab // nil until it is made
	hosts []*demoHost // h1, h2, and so on
	proof proof
}

// runDemo finds a way to make namespaces, runs the demo, and removes what it made.
func runDemo(ctx context.Context, e *env, o *demoOptions) error {
	// With SIGPIPE, "vxtap demo | head" ends like Ctrl-C, too. The signals stay caught until
	// all is removed, so that an impatient second Ctrl-C does no harm.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)
	defer stop()
	if err := checkTUN(); err != nil {
		return err
	}
	here, err := mayMakeHosts()
	switch {
	case err != nil:
		return err
	case !here:
		return runInUserNamespace(ctx, e)
	}
	d := &demo{demoOptions: o, out: e.stdout, term: e.terminal}
	// From here on ctx has a second way to end: a vxtap that dies.
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	err = d.run(ctx, abort)
	switch {
	case err == nil:
		err = d.proof.verdict()
	case ctx.Err() != nil:
		err = explainEnd(e.stderr, context.Cause(ctx))
	}
	return errors.Join(err, d.close())
}

// explainEnd says why the demo ended early. What a vxtap logged goes to w.
func explainEnd(w io.Writer, cause error) error {
	var died *agentDiedError
	if !errors.As(cause, &died) {
		return fmt.Errorf("demo ended early (%w); what it made is removed", cause)
	}
	fmt.Fprintf(w, "The last that vxtap on %s logged:\n", died.host)
	for _, line := range died.log {
		fmt.Fprintln(w, " ", line)
	}
	return died
}

// run is the demo from beginning to end, but for the verdict and the cleaning. abort ends ctx when a
// vxtap dies.
func (d *demo) run(ctx context.Context, abort context.CancelCauseFunc) error {
	if err := d.build(ctx); err != nil {
		return err
	}
	d.introduce()
	if err := d.startAgents(ctx, abort); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.pingAll, d.transferAll, d.showLearned, d.showCounters} {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	// Failed checks, too, may be worth a look around.
	d.say("\nProof\n%s", d.proof.table())
	if d.keep {
		return d.keepUp(ctx)
	}
	return nil
}

// build makes the hosts, and the underlay between them.
func (d *demo) build(ctx context.Context) (err error) {
	if d.room, err = newDemoRoom(); err != nil {
		return err
	}
	if d.lab, err = netlab.New(d.room.name()); err != nil {
		return err
	}
	var hosts []*netlab.Host
	for i := range d.demoOptions.hosts {
		h, err := d.lab.Host(fmt.Sprintf("h%d", i+1))
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		hosts = append(hosts, h)
	}
	addrs, err := d.lab.Segment(hosts, d.underlay())
	if err != nil {
		return err
	}
	for i, h := range hosts {
		d.hosts = append(d.hosts, newDemoHost(h, i+1, addrs[i], d.room.dir))
	}
	return ctx.Err()
}

// underlay is what eth0 of the hosts has addresses of.
func (d *demo) underlay() netip.Prefix {
	if d.ipv6 {
		return netip.MustParsePrefix("fd09::/64")
	}
	return netip.MustParsePrefix("10.9.0.0/24")
}

// introduce says who is who.
func (d *demo) introduce() {
	family := "IPv4"
	if d.ipv6 {
		family = "IPv6"
	}
	d.say("%d hosts on this machine, each a network namespace with a vxtap of its own.\n", len(d.hosts))
	d.say("An %s underlay joins them. VXLAN network %d lies on top, and carries IPv4 and IPv6.\n\n", family, demoVNI)
	t := table{indent: "  "}
	t.add("host", "underlay, eth0", "overlay, "+demoTAP, "namespace")
	for _, h := range d.hosts {
		t.add(h.Name(), h.underlay.String(), fmt.Sprintf("%v and %v", h.v4, h.v6), h.shownPath())
	}
	d.say("%s", textOf(&t))
}

// say writes to the user. Once nobody reads, SIGPIPE ends the demo.
func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// close ends the children and removes everything, as far as there is anything: the demo
// may not have got far.
func (d *demo) close() error {
	// All are asked before any is waited for.
	for _, h := range d.hosts {
		h.interrupt()
	}
	for _, h := range d.hosts {
		h.end()
	}
	var err error
	if d.lab != nil {
		err = d.lab.Close()
	}
	// The room is last, since it is what the next demo would look for.
	if d.room != nil {
		err = errors.Join(err, d.room.close())
	}
	return err
}
