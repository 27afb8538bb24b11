package control

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// Whoever makes events without end makes ten lines of log a minute, and one more that says how
// many there were. Listeners hear all, and other kinds are logged as before.
func TestLogLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zapcore.InfoLevel)
		a := Agent{log: zap.New(core)}
		events, stop := a.Events()
		defer stop()
		flap := func(n int) {
			for i := range n {
				a.event(dataplane.Event{VNI: 42, MAC: encap.MAC{2, 5: byte(i)}, Err: fmt.Errorf("it moved")})
				if e := <-events; e.Kind != api.EventMAC || e.MAC[5] != byte(i) || e.Missed != 0 {
					t.Fatalf("told %+v", e)
				}
			}
		}
		expect := func(what string, n int, last int64) {
			t.Helper()
			list := lines.TakeAll()
			var more int64
			if len(list) > 0 {
				more, _ = list[len(list)-1].ContextMap()["events"].(int64)
			}
			if len(list) != n || more != last {
				t.Errorf("%s: %d lines, of %d events more", what, len(list), more)
			}
		}
		flap(4000)
		expect("4000 events", 10, 0)
		a.report(zap.InfoLevel, api.Event{Kind: api.EventNetworkUp, Message: "network up"}, nil)
		<-events
		expect("another kind", 1, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect("a minute later", 1, 3990)
		flap(5)
		expect("5 events", 5, 0)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		expect("nothing to say", 0, 0)
		flap(11)
		a.limits.close(a.log)
		expect("at the end", 11, 1)
	})
}

// What the agent was too slow for, listeners are told to have missed.
func TestMissedEvents(t *testing.T) {
	core, lines := observer.New(zapcore.InfoLevel)
	a := Agent{log: zap.New(core)}
	events, stop := a.Events()
	defer stop()
	defer a.limits.close(a.log)
	a.event(dataplane.Event{VNI: 42, MAC: encap.MAC{2}, Err: fmt.Errorf("it moved"), Missed: 7})
	if e := <-events; e.Missed != 7 {
		t.Errorf("told %+v", e)
	}
	if n := lines.FilterMessageSnippet("left out").Len(); n != 1 {
		t.Errorf("%d lines say so", n)
	}
}
