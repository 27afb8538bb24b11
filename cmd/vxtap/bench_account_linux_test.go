package main

import (
	"testing"
	"time"
)

func TestMachineTime(t *testing.T) {
	// user 100, nice 10, system 200, idle 9999, iowait 99, irq 3, softirq 7, steal 55.
	stat := "cpu  100 10 200 9999 99 3 7 55 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
	if got := machineTime(stat); got != 3200*time.Millisecond {
		t.Errorf("machine: %v, want 3.2 s", got)
	}
	if got := machineTime(""); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestProcessTime(t *testing.T) {
	stat := "42 (a ) b (c) S 1 42 42 0 -1 4194560 500 0 0 0 150 250 0 0 20 0 9 0 100 0 0"
	if got := processTime(stat); got != 4*time.Second {
		t.Errorf("process: %v, want 4 s", got)
	}
	if got := processTime("42 (x"); got != 0 {
		t.Errorf("of half a line: %v", got)
	}
}

func TestParseMemory(t *testing.T) {
	status := "Name:\tvxtap\nVmHWM:\t   20480 kB\nVmRSS:\t   18000 kB\nRssAnon:\t    8192 kB\nRssFile:\t    9808 kB\n"
	if got := parseMemory(status); got != (memoryUse{anon: 8 << 20, peak: 20 << 20}) {
		t.Errorf("memory: %+v", got)
	}
}
