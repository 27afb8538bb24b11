package control

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/vxtap/vxtap/crypto"
)

// sealEvent tells the operator what became of a session.
func (a *Agent) sealEvent(e crypto.Event) {
	fields := []zap.Field{zap.Stringer("peer", e.Peer.VTEP().Addr())}
	switch e.Kind {
	case crypto.NotRenewed, crypto.Expired:
		fields = append(fields, zap.String("do", "see whether the peer runs and can be reached at its UDP port"))
	}
	a.log.Log(levelOf(e.Kind), e.String(), fields...)
}

// levelOf is a warning for what stops frames, or will, unless somebody looks.
func levelOf(kind crypto.EventKind) zapcore.Level {
	switch kind {
	case crypto.NotRenewed, crypto.Expired:
		return zap.WarnLevel
	}
	return zap.InfoLevel
}
