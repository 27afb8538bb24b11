package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
)

// The life of a bench:
//
//  1. For each underlay and MTU a lab: two hosts and one cable, with all subjects up side
//     by side, and a sink at the far host ([benchLab]).
//  2. In each round, each measurement visits each subject ([benchLab.round]). A sample is
//     what came of it, or why nothing did.
//  3. Samples become medians and ratios ([benchLabPart.summarize]), and those a table, JSON,
//     or a page.
//
// The generator runs in this process, on threads that enter the near host to open
// sockets. Sink and vxtaps are children, so that their memory and time are their own.

// bench is one run of the command.
type bench struct {
	*benchOptions
	room     *demoRoom // as a demo's, so that the next one removes what a killed bench left
	exe      string    // this program, for the children
	report   *benchReport
	progress *benchProgress
}

// runBench measures, prints what it found, and removes what it made.
func runBench(ctx context.Context, e *env, o *benchOptions) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)
	defer stop()
	if err := mayBench(); err != nil {
		return err
	}
	b := &bench{benchOptions: o, report: newBenchReport(o, e.now())}
	if err := b.prepare(); err != nil {
		return err
	}
	b.progress = newBenchProgress(e.stderr, o)
	begin := time.Now()
	err := b.measureAll(ctx)
	b.progress.end()
	if ctx.Err() != nil {
		err = fmt.Errorf("bench ended early (%w); what it made is removed", context.Cause(ctx))
	}
	if err = errors.Join(err, b.room.close()); err != nil {
		return err
	}
	b.report.Seconds = time.Since(begin).Round(time.Millisecond).Seconds()
	if err := b.publish(e); err != nil {
		return err
	}
	return b.report.verdict()
}

// mayBench says what keeps this user from measuring.
func mayBench() error {
	missing, err := missingCapabilities()
	switch {
	case err != nil:
		return err
	case os.Geteuid() != 0:
		return errors.New("bench needs root, to make network namespaces and to have socket buffers of full size: sudo vxtap bench")
	case len(missing) > 0:
		return fmt.Errorf("root lacks %s here: a container needs --cap-add for each, or --privileged", strings.Join(missing, " and "))
	}
	return checkTUN()
}

// prepare makes what all labs need, and finds out early what would fail late.
func (b *bench) prepare() (err error) {
	if b.exe, err = os.Executable(); err != nil {
		return fmt.Errorf("find the vxtap program: %w", err)
	}
	if b.html != "" {
		f, err := os.Create(b.html)
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		f.Close()
	}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return fmt.Errorf("make a directory for profiles: %w", err)
		}
	}
	benchThreads()
	if b.tunnels != "" {
		if b.tunnels, err = exec.LookPath(b.tunnels); err != nil {
			return fmt.Errorf("find the program of --tunnels: %w", err)
		}
	}
	if b.room, err = newDemoRoom(); err != nil {
		return err
	}
	if err := b.makeSecret(); err != nil {
		return errors.Join(err, b.room.close())
	}
	return nil
}

// secretPath is the file with the secret that the ends of sealed subjects share.
func (b *bench) secretPath() string { return filepath.Join(b.room.dir, "psk") }

// makeSecret makes that file, for this bench alone. It goes with the room.
func (b *bench) makeSecret() error {
	secret, err := crypto.GeneratePSK()
	if err != nil {
		return err
	}
	return keys.Create(b.secretPath(), secret.Base64())
}

// measureAll measures over each underlay in turn.
func (b *bench) measureAll(ctx context.Context) error {
	for _, u := range b.underlays {
		for _, mtu := range b.mtus {
			lab := &benchLab{bench: b, underlay: u, mtu: mtu}
			err := lab.run(ctx)
			if err = errors.Join(err, lab.close()); err != nil {
				return err
			}
			if err := lab.readProfiles(); err != nil {
				return err
			}
		}
	}
	return nil
}

// publish prints the report, and writes it where asked.
func (b *bench) publish(e *env) error {
	if b.html != "" {
		page, err := b.report.page()
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.html, page, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if b.json {
		return printJSON(e.stdout, b.report)
	}
	_, err := fmt.Fprint(e.stdout, b.report.text())
	return err
}

func newBenchReport(o *benchOptions, now time.Time) *benchReport {
	return &benchReport{
		Version:  programVersion(),
		Started:  now,
		Command:  "vxtap " + strings.Join(os.Args[1:], " "),
		Machine:  thisMachine(),
		Runs:     o.runs,
		Duration: o.duration.Seconds(),
		Measures: o.measures,
	}
}

// thisMachine describes it; what cannot be found out is "unknown".
func thisMachine() benchMachine {
	m := benchMachine{CPU: "unknown processor", Cores: runtime.NumCPU(), Kernel: "unknown", Go: runtime.Version()}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	return m
}
