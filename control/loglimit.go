package control

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/vxtap/vxtap/control/api"
)

// Some events are made by whoever can send this host datagrams, as many as he likes. Of
// each kind of them only some a minute are logged, lest he fill the disk; those who listen to
// events get all.
const (
	loggedAtOnce = 10
	logWindow    = time.Minute
)

// eventMissed is the kind of the log's lines about events that were left out.
const eventMissed api.EventKind = "missed"

// logLimits counts the lines of such events. Its zero value has seen none.
type logLimits struct {
	mu     sync.Mutex
	kinds  map[api.EventKind]*logLimit
	closed bool
}

// logLimit is about one kind, for as long as its window lasts.
type logLimit struct {
	logged, more int
	level        zapcore.Level // of the last that was not logged
	ends         *time.Timer
}

// limited reports whether strangers can have events of a kind happen.
func limited(kind api.EventKind) bool {
	switch kind {
	case api.EventMAC, api.EventPath, api.EventRemote, eventMissed:
		return true
	}
	return false
}

// allow reports whether another event of a kind is to be logged. How many were not is logged at
// the end of the window.
func (l *logLimits) allow(log *zap.Logger, kind api.EventKind, level zapcore.Level) bool {
	if !limited(kind) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[kind]
	switch {
	case l.closed:
		return true
	case k == nil:
		if l.kinds == nil {
			l.kinds = make(map[api.EventKind]*logLimit)
		}
		k = &logLimit{}
		l.kinds[kind] = k
		k.ends = time.AfterFunc(logWindow, func() { l.end(log, kind, k) })
	case k.logged == loggedAtOnce:
		k.more, k.level = k.more+1, level
		return false
	}
	k.logged++
	return true
}

// end ends the window of a kind.
func (l *logLimits) end(log *zap.Logger, kind api.EventKind, k *logLimit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds[kind] == k {
		delete(l.kinds, kind)
		k.say(log, kind)
	}
}

func (k *logLimit) say(log *zap.Logger, kind api.EventKind) {
	if k.more > 0 {
		log.Log(k.level, "more events of this kind were not logged; vxtap events tells all, as they happen",
			zap.String("kind", string(kind)), zap.Int("events", k.more))
	}
}

// close says what is left to say.
func (l *logLimits) close(log *zap.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for kind, k := range l.kinds {
		k.ends.Stop()
		k.say(log, kind)
	}
	l.kinds = nil
}
