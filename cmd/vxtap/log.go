package main

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// lastLines is how long a process that ends waits for somebody to read its log.
const lastLines = time.Second

// logger returns a logger for a process that is to stay. From then on all that is written to
// standard error goes through a queue, so that nobody who does not read it holds up the agent.
func (e *env) logger() *zap.Logger {
	if _, queued := e.stderr.(*logQueue); !queued {
		e.stderr = newLogQueue(e.stderr)
	}
	return newLogger(e.stderr)
}

// closeLog has the lines written that are still queued.
func (e *env) closeLog() {
	if q, queued := e.stderr.(*logQueue); queued {
		q.close(lastLines)
	}
}

// newLogger logs to w for people: time, level, what happened, and its particulars.
func newLogger(w io.Writer) *zap.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.ISO8601TimeEncoder
	cfg.EncodeLevel = zapcore.CapitalLevelEncoder
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(cfg), zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel)
	return zap.New(core)
}
