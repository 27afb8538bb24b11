//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// scrape asks for metrics on a host, once.
func scrape(t testing.TB, h *netlab.Host, addr string) (text string) {
	t.Helper()
	check(t, h.Do(func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		answer, err := io.ReadAll(conn)
		text = string(answer)
		if err == nil && !strings.Contains(text, fmt.Sprintf(" %d OK", http.StatusOK)) {
			err = errors.New(text)
		}
		return err
	}))
	return text
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := families[0]
	a, _, _ := startPair(t, f, netlab.LinkConfig{}, "--metrics", f.a+":9473")
	ping(t, a, innerB)
	text := scrape(t, a, f.a+":9473")
	// Every reason for a drop is there from the start, for each direction.
	for _, why := range dataplane.Drops() {
		for _, direction := range []string{"in", "out"} {
			if line := fmt.Sprintf(`vxtap_network_dropped_frames_total{direction=%q,reason=%q,vni="42"} `, direction, why); !strings.Contains(text, "\n"+line) {
				t.Errorf("not there: %s", line)
			}
		}
	}
	for _, line := range []string{
		"vxtap_underlay_up 1", "vxtap_underlay_mtu_bytes 1500",
		`vxtap_network_frames_total{direction="out",vni="42"} `, `vxtap_network_dropped_frames_total{direction="in",reason="loop",vni="42"} 0`,
		`vxtap_remote_frames_total{direction="in",remote="` + f.b + `",vni="42"} `, `vxtap_port_kernel_dropped_frames_total{port="vx42",vni="42"} 0`,
		"process_cpu_seconds_total ", "go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("not there: %s", line)
		}
	}
	if strings.Contains(text, `vxtap_remote_frames_total{direction="in",remote="`+f.b+`",vni="42"} 0`) {
		t.Error("nothing counted as from the peer")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMetricsAddressTaken(t *testing.T) {
	t.Parallel()
	f := families[0]
	a, _, v := startPair(t, f, netlab.LinkConfig{}, "--metrics", f.a+":9473")
	c := launch(t, a, newSocket(t), "up", "--vni", "43", "--local", f.a, "--port", "4790", "--metrics", f.a+":9473")
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(c.log.String(), "choose another address with --metrics") {
		t.Errorf("exit code %d: %s", code, &c.log)
	}
	c = launch(t, a, v.socket, "up", "--vni", "43", "--metrics", ":9474")
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(c.log.String(), "leave --metrics out") {
		t.Errorf("exit code %d: %s", code, &c.log)
	}
}
