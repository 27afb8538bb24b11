package main

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A log that nobody reads costs so much memory, and lines; how many is said.
func TestLogQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		q := newLogQueue(w)
		line := strings.Repeat("x", 99) + "\n"
		const lines = 10000
		for range lines {
			if n, err := q.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if q.queued.Len() > maxQueuedLog {
			t.Errorf("%d bytes wait", q.queued.Len())
		}
		began := time.Now()
		q.close(time.Second)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited for %v", waited)
		}
		written := make(chan string)
		go func() {
			all, _ := io.ReadAll(r)
			written <- string(all)
		}()
		synctest.Wait()
		w.Close()
		got := <-written
		n, lost := strings.Count(got, line), 0
		for _, l := range strings.Split(got, "\n") {
			if fields := strings.Split(l, "\t"); len(fields) == 3 {
				more, _ := strconv.Atoi(strings.Fields(fields[2])[0])
				lost += more
			}
		}
		if n == 0 || lost == 0 || n+lost != lines {
			t.Errorf("%d lines written, %d lost", n, lost)
		}
	})
}

// What is logged last is written before the process ends.
func TestLogQueueIsEmptiedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to slowBuilder
		q := newLogQueue(&to)
		for _, s := range []string{"a\n", "b\n", "c\n"} {
			_, _ = q.Write([]byte(s))
		}
		q.close(time.Second)
		if got := to.String(); got != "a\nb\nc\n" {
			t.Errorf("%q", got)
		}
	})
}

// slowBuilder takes its time.
type slowBuilder struct{ strings.Builder }

func (b *slowBuilder) Write(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return b.Builder.Write(p)
}
