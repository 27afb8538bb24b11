package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// benchTunnelsLimit is for the program of --tunnels to bring up all that it knows. Each
// tunnel takes some seconds, and one that never comes up its own time.
const benchTunnelsLimit = 5 * time.Minute

// startTunnels has the program of --tunnels, if there is one, bring its tunnels up in this
// lab, and adds those that stand. Of those that do not, the report says why.
func (l *benchLab) startTunnels(ctx context.Context) error {
	if l.bench.tunnels == "" {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, benchTunnelsLimit,
		fmt.Errorf("%s has not said \"ready\" after %v", l.bench.tunnels, benchTunnelsLimit))
	defer cancel()
	local, remote := l.underlayAddrs()
	program := newBenchChild(l.bench.tunnels, l.bench.tunnels, l.a.Path(), local.String(), l.b.Path(), remote.String(), fmt.Sprint(l.mtu))
	said, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("listen to %s: %w", l.bench.tunnels, err)
	}
	defer said.Close()
	program.cmd.Stdout = w
	err = errors.Join(program.start(l.a), w.Close()) // the child has a copy of w
	if err != nil {
		return err
	}
	l.tunnels = program
	defer context.AfterFunc(ctx, func() { said.Close() })()
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if lines.Text() == "ready" {
			return nil
		}
		if err := l.addTunnel(lines.Text()); err != nil {
			return err
		}
	}
	return l.tunnelsFailed(ctx)
}

// addTunnel takes what the program of --tunnels says of one: NAME=ADDR, or NAME: REASON.
func (l *benchLab) addTunnel(line string) error {
	if i := strings.IndexAny(line, "=:"); i > 0 && line[i] == ':' {
		l.note("%s is left out: %s", line[:i], strings.TrimSpace(line[i+1:]))
		return nil
	}
	f, err := parseBenchForeign(line)
	if err == nil && slices.Contains(l.part.Subjects, f.name) {
		err = fmt.Errorf("bad tunnel %q: there is a subject of that name", line)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.bench.tunnels, err)
	}
	sink := netip.AddrPortFrom(f.sink.Addr(), traffic.DefaultPort) // the bench's own
	l.add(&benchSubject{name: f.name, client: traffic.NewClient(l.a.Do, sink), keeper: l.tunnels, rates: make(map[string]float64)})
	l.progress.more(l.perSubject())
	return nil
}

// tunnelsFailed says why the program of --tunnels fell silent before it was ready.
func (l *benchLab) tunnelsFailed(ctx context.Context) error {
	select {
	case <-l.tunnels.ended:
		return l.tunnels.alive()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
