package netlab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// SNMP returns the counters of the namespace's IP stack by the names that nstat gives
// them, such as UdpInCsumErrors, Udp6InCsumErrors, TcpInCsumErrors (of both families)
// and IcmpInCsumErrors. They count from the namespace's start.
func (h *Host) SNMP() (map[string]uint64, error) {
	counters := make(map[string]uint64)
	err := h.Do(func() error {
		return readCounters(counters)
	})
	if err != nil {
		return nil, fmt.Errorf("read the counters of host %s: %w", h.name, err)
	}
	return counters, nil
}

// readCounters reads those of the thread's namespace.
func readCounters(counters map[string]uint64) error {
	// /proc/net is the first thread's, wherever this one is.
	for _, name := range []string{"snmp", "netstat"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + name)
		if err != nil {
			return err
		}
		parsePaired(counters, string(text))
	}
	text, err := os.ReadFile("/proc/thread-self/net/snmp6")
	if os.IsNotExist(err) {
		return nil // a kernel without IPv6
	}
	parseSingle(counters, string(text))
	return err
}

// parsePaired reads lines that come in pairs, "Udp: InDatagrams NoPorts" and then
// "Udp: 12 0". Values that are no counters, such as Tcp's MaxConn of -1, are left out.
func parsePaired(counters map[string]uint64, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			continue
		}
		protocol := strings.TrimSuffix(names[0], ":")
		for j := range names[1:] {
			setCounter(counters, protocol+names[j+1], values[j+1])
		}
	}
}

// parseSingle reads lines of a name and a value.
func parseSingle(counters map[string]uint64, text string) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 {
			setCounter(counters, f[0], f[1])
		}
	}
}

func setCounter(counters map[string]uint64, name, value string) {
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		counters[name] = n
	}
}
