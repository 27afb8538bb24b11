package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on every architecture
// that Go has.
const clockTick = time.Second / 100

// Time is taken from the kernel's accounts. They count the whole machine, whatever else it
// does, in ticks of 10 ms: over half a second and two cores, good to a few percent. The
// work of softirqs is in the machine's time, and in a process's only if they ran in its
// own system calls.

// cpuTime is processor time used so far.
type cpuTime struct {
	machine time.Duration // by everything on it
	ends    time.Duration // by the vxtaps of a subject
}

// cpuTime reads the accounts. What cannot be read counts as none.
func (s *benchSubject) cpuTime() cpuTime {
	var t cpuTime
	stat, _ := os.ReadFile("/proc/stat")
	t.machine = machineTime(string(stat))
	for _, end := range s.ends {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", end.pid()))
		t.ends += processTime(string(stat))
	}
	return t
}

// machineTime is the time that was not idle in the first line of /proc/stat (proc(5)):
// cpu user nice system idle iowait irq softirq steal. Time stolen by a hypervisor is
// nobody's here.
func machineTime(stat string) time.Duration {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return 0
	}
	var ticks time.Duration
	for _, i := range [...]int{1, 2, 3, 6, 7} {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += time.Duration(n)
	}
	return ticks * clockTick
}

// processTime is user and system time in /proc/PID/stat (proc(5)), fields 14 and 15. The
// second field is a name in parentheses that may hold anything.
func processTime(stat string) time.Duration {
	i := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[i+1:]) // from the third on
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick
}

// memoryUse is what a process holds, in bytes.
type memoryUse struct {
	anon int64 // RssAnon: what is neither a file nor shared
	peak int64 // VmHWM: the most that was resident, files included
}

// What counts is the anonymous part. A Go program's file pages are its own text, shared
// by both ends, and come and go with memory pressure; but the peak that the kernel keeps
// is of both together.

// memoryInterval is how often memory is looked at.
const memoryInterval = 50 * time.Millisecond

// memoryWatch looks at the memory of all vxtaps while they are measured.
type memoryWatch struct {
	quit  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
	peaks map[*benchSubject]memoryUse // of the larger end; read after the end
}

func watchMemory(subjects []*benchSubject) *memoryWatch {
	w := &memoryWatch{quit: make(chan struct{}), peaks: make(map[*benchSubject]memoryUse)}
	w.wg.Go(func() {
		tick := time.NewTicker(memoryInterval)
		defer tick.Stop()
		for {
			for _, s := range subjects {
				w.look(s)
			}
			select {
			case <-tick.C:
			case <-w.quit:
				return
			}
		}
	})
	return w
}

func (w *memoryWatch) look(s *benchSubject) {
	for _, end := range s.ends {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", end.pid()))
		if err != nil {
			continue // it ended, as its measurements will say
		}
		use, most := parseMemory(string(status)), w.peaks[s]
		w.peaks[s] = memoryUse{max(use.anon, most.anon), max(use.peak, most.peak)}
	}
}

// parseMemory reads /proc/PID/status, in which sizes are in kB of 1024.
func parseMemory(status string) (use memoryUse) {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case key == "RssAnon":
			use.anon = n << 10
		case key == "VmHWM":
			use.peak = n << 10
		}
	}
	return use
}

// stop ends the watch and returns the peaks. It may be called again.
func (w *memoryWatch) stop() map[*benchSubject]memoryUse {
	w.once.Do(func() { close(w.quit) })
	w.wg.Wait()
	return w.peaks
}
