package control

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
)

// sealEvent tells what became of a session.
func (a *Agent) sealEvent(e crypto.Event) {
	vtep := e.Peer.VTEP().Addr()
	fields := []zap.Field{zap.Stringer("peer", vtep)}
	switch e.Kind {
	case crypto.NotRenewed, crypto.Expired:
		fields = append(fields, zap.String("do", "see whether the peer runs and can be reached at its UDP port"))
	case crypto.NoAnswer:
		fields = append(fields, zap.String("do", "see whether the peer runs, can be reached at its UDP port, and has this node's public key and cipher"))
	case crypto.BadAnswer:
		fields = append(fields, zap.String("do", "see whether the public keys, the pre-shared key and the cipher are the same at both ends"))
	}
	a.report(levelOf(e.Kind), api.Event{Kind: api.EventSession, Remote: vtep, Message: e.String()}, nil, fields...)
}

// levelOf is a warning for what stops frames, or will, unless somebody looks.
func levelOf(kind crypto.EventKind) zapcore.Level {
	switch kind {
	case crypto.NotRenewed, crypto.Expired, crypto.NoAnswer, crypto.BadAnswer:
		return zap.WarnLevel
	}
	return zap.InfoLevel
}
