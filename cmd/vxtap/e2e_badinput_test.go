//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// refused expects that a command line fails: with this exit code, nothing on stdout, and
// one line on stderr that has all of these words in it. Of the socket's directory and
// the host's interfaces, nothing may be changed by it.
func refused(t *testing.T, h *netlab.Host, socket string, code int, words string, args ...string) {
	t.Helper()
	refusedThrough(t, h, nil, socket, code, words, args...)
}

// refusedThrough is refused for a vxtap that is started by way of another program.
func refusedThrough(t *testing.T, h *netlab.Host, way []string, socket string, code int, words string, args ...string) {
	t.Helper()
	files, links := filesBeside(t, socket), interfaces(t, h)
	c := launchThrough(t, h, way, socket, args...)
	c.waitExit()
	line := strings.Join(args, " ")
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%s: exit code %d, want %d", line, got, code)
	}
	if c.stdout.Len() != 0 {
		t.Errorf("%s: on stdout: %s", line, c.stdout.String())
	}
	c.saysWhy(words)
	if now := filesBeside(t, socket); !slices.Equal(now, files) {
		t.Errorf("%s: leaves files %q, there were %q", line, now, files)
	}
	if now := interfaces(t, h); !slices.Equal(now, links) {
		t.Errorf("%s: leaves interfaces %q, there were %q", line, now, links)
	}
}

// saysWhy expects one line on stderr that is not of the log, the last, with all of these
// words in it.
func (c *child) saysWhy(words string) {
	c.t.Helper()
	lines := strings.Split(strings.TrimSuffix(c.log.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		if !strings.Contains(line, "\tINFO\t") && !strings.Contains(line, "\tWARN\t") && !strings.Contains(line, "\tERROR\t") {
			c.t.Errorf("%s: more than one line that is not of the log: %s", strings.Join(c.cmd.Args[1:], " "), line)
		}
	}
	if !strings.HasPrefix(last, "vxtap: ") {
		c.t.Errorf("%s: the last line does not say what went wrong: %s", strings.Join(c.cmd.Args[1:], " "), last)
	}
	for _, word := range strings.Split(words, "|") {
		if !strings.Contains(last, word) {
			c.t.Errorf("%s: does not say %q: %s", strings.Join(c.cmd.Args[1:], " "), word, last)
		}
	}
}

// filesBeside lists the directory of a socket, which may not be there.
func filesBeside(t *testing.T, socket string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(socket))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Command lines that cannot be carried out on any host.
func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	up := "up --vni 42 --local 10.9.0.1 "
	for _, test := range []struct{ line, words string }{
		{"up", "no local address|--local"},
		{"up --local 10.9.0.1", "no VNI|--vni"},
		{"up --vni 0 --local 10.9.0.1", `--vni|"0"|from 1 to 16777215`},
		{"up --vni 16777216 --local 10.9.0.1", `--vni|"16777216"|from 1 to 16777215`},
		{"up --vni -1 --local 10.9.0.1", `--vni|"-1"|from 1 to 16777215`},
		{"up --vni 42 --local 0.0.0.0", "0.0.0.0|--local"},
		{"up --vni 42 --local 239.1.1.1", "239.1.1.1|--local"},
		{"up --vni 42 --local fe80::1", "fe80::1|its interface|fe80::1%eth0"},
		{"up --vni 42 --local host.example", `--local|"host.example"|an IP address`},

		{up + "--remote 10.9.0.1", "10.9.0.1 is our own address|other VTEPs|--remote"},
		{up + "--remote 10.9.0.1:8472", "10.9.0.1 is our own address"},
		{up + "--remote ::ffff:10.9.0.1", "10.9.0.1 is our own address"},
		{up + "--remote 239.1.1.1", "239.1.1.1 is a multicast group|--remote"},
		{up + "--remote 0.0.0.0", "0.0.0.0|--remote"},
		{up + "--remote fd09::2", "fd09::2|10.9.0.1|different address families|--remote"},
		{up + "--remote 10.9.0.2 --remote 10.9.0.2:4789", "10.9.0.2:4789 is given twice"},
		{up + "--remote 10.9.0.2:0", `--remote|"10.9.0.2:0"`},
		{up + "--remote peer", `--remote|"peer"|an IP address`},
		{up + "--fdb 02:00:00:00:00:09", `--fdb|"02:00:00:00:00:09"|MAC=ADDRESS`},
		{up + "--fdb 02:00:00:00:00=10.9.0.2", `--fdb|"02:00:00:00:00"|six`},
		{up + "--fdb 00:00:00:00:00:00=10.9.0.2", "flood list|--remote"},
		{up + "--fdb 02:00:00:00:00:09=10.9.0.1", "02:00:00:00:00:09|10.9.0.1 is our own address|--fdb"},
		{up + "--fdb 02:00:00:00:00:09=10.9.0.2 --fdb 02:00:00:00:00:09=10.9.0.3", "02:00:00:00:00:09 is given twice"},
		{up + "--fdb 33:33:00:00:00:01=10.9.0.2 --fdb 33:33:00:00:00:01=10.9.0.2:4789", "33:33:00:00:00:01 is given twice"},

		{up + "--tap a123456789012345", `"a123456789012345" is 16 bytes long|at most 15|--tap`},
		{up + "--tap vx\u00e0", "vx\u00e0|white space|--tap"}, // its last byte is 0xa0
		{up + "--tap a/b", `"a/b"|--tap`},
		{up + "--tap ..", `".."|--tap`},
		{up + "--tap vx%d", `"vx%d"|--tap`},
		{up + "--address 192.168.77.1", `--address|"192.168.77.1"|192.168.77.1/24`},
		{up + "--address 224.0.0.1/24", "224.0.0.1/24|--address"},
		{up + "--address 192.168.77.1/24 --address 192.168.77.1/24", "192.168.77.1 is given twice"},
		{up + "--address 192.168.77.1/24 --address 192.168.77.1/16", "192.168.77.1 is given twice"},
		{up + "--mtu 67", `--mtu|"67"|68 to 65521`},
		{up + "--mtu 65522", `--mtu|"65522"|68 to 65521`},
		{up + "--mtu 1279 --address fd77::1/64", "1279|fd77::1/64|1280"},
		{up + "--mac 01:00:5e:00:00:01", `--mac|"01:00:5e:00:00:01"`},
		{up + "--mac 00:00:00:00:00:00", `--mac|"00:00:00:00:00:00"`},
		{up + "--port 0", `--port|"0"|1 to 65535`},
		{up + "--port 65536", `--port|"65536"|1 to 65535`},
		{up + "--ttl 0", `--ttl|"0"|1 to 255`},
		{up + "--tos 256", `--tos|"256"|0 to 255`},
		{up + "--tos 3", `--tos|"3"|ECN|0x0`},
		{up + "--tos 0xb9", `--tos|"0xb9"|ECN|0xb8`},
		{up + "--ageing 10ms", `--ageing|"10ms"|at least 1s`},
		{up + "--max-macs 0", `--max-macs|"0"`},
		{up + "--reserved-bits ff", `--reserved-bits|"ff"|64 bits`},
		{up + "--offload some", `--offload|"some"|want auto`},
		{up + "--queues 0", `--queues|"0"|from 1 to 16`},
		{up + "--queues 17", `--queues|"17"|from 1 to 16`},
		{up + "--queues 2 --offload off", "2 queues|--offload off|--offload none"},
		{up + "--nosuch", "--nosuch|vxtap up --help"},
		{up + "eth0", `"eth0"|vxtap up --help`},
		{"upp", `"upp"|did you mean vxtap up`},
	} {
		refused(t, a, socket, exitUsage, test.words, strings.Fields(test.line)...)
	}
}

// What is at the edge of what is allowed is allowed.
func TestExtremeCommandLines(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	for _, test := range []struct{ line, tap string }{
		{"--vni 16777215", "vx16777215"},
		{"--vni 1 --tap a12345678901234", "a12345678901234"},
		{"--vni 1 --mtu 68", "vx1"},
		{"--vni 1 --mtu 65521", "vx1"},
		{"--vni 1 --mtu 1280 --address fd77::1/64", "vx1"},
		{"--vni 1 --address 192.168.77.1/24 --address 192.168.77.2/24 --address 192.168.0.1/16", "vx1"},
		{"--vni 1 --fdb 33:33:00:00:00:01=10.9.0.2 --fdb 33:33:00:00:00:01=10.9.0.3", "vx1"},
	} {
		v := startVXTAP(t, a, append([]string{"--local", "10.9.0.1"}, strings.Fields(test.line)...)...)
		if !slices.Contains(interfaces(t, a), test.tap) {
			t.Errorf("%s: no interface %s", test.line, test.tap)
		}
		v.stop()
	}
}
