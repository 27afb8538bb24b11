package control

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
)

const (
	statusConflict      = http.StatusConflict
	statusUnprocessable = http.StatusUnprocessableEntity
)

// update gives a network other remotes and entries while frames flow. What a user changed
// with vxtap fdb stays, as far as the configuration says nothing about it. New remotes come
// before old ones go, so that there are never none.
func (a *Agent) update(c update) error {
	n, was, now := c.network, &c.network.spec, &c.spec
	var err error
	for _, r := range now.Remotes {
		if !slices.Contains(was.Remotes, r) {
			err = errors.Join(err, unless(n.vtep.AddRemote(r), dataplane.ErrExists))
		}
	}
	for _, r := range was.Remotes {
		if !slices.Contains(now.Remotes, r) {
			err = errors.Join(err, unless(n.vtep.RemoveRemote(r), dataplane.ErrNotFound))
		}
	}
	err = errors.Join(err, changeEntries(n.vtep, was.Static, now.Static))
	was.Remotes, was.Static = now.Remotes, now.Static
	a.report(zap.InfoLevel, api.Event{Kind: api.EventNetworkChanged, VNI: was.VNI, Message: "network changed"}, err,
		zap.Stringer("vni", was.VNI), zap.Stringers("remotes", n.vtep.Remotes()), zap.Int("entries", len(now.Static)))
	return err
}

func changeEntries(n *dataplane.Network, was, now []StaticEntry) (err error) {
	for _, e := range now {
		switch {
		case slices.Contains(was, e):
		case e.MAC.IsMulticast():
			err = errors.Join(err, unless(n.AppendEntry(e.MAC, e.Remote), dataplane.ErrExists))
		default:
			err = errors.Join(err, n.ReplaceEntry(e.MAC, e.Remote))
		}
	}
	for _, e := range was {
		replaced := func(o StaticEntry) bool {
			return o == e || o.MAC == e.MAC && !e.MAC.IsMulticast()
		}
		if !slices.ContainsFunc(now, replaced) {
			err = errors.Join(err, unless(n.DeleteEntry(e.MAC, e.Remote), dataplane.ErrNotFound))
		}
	}
	return err
}

// unless returns err but for one that is none: what was wanted was so already.
func unless(err, none error) error {
	if errors.Is(err, none) {
		return nil
	}
	return err
}

// reportReload says what a reload came to.
func (a *Agent) reportReload(r *api.Reloaded) {
	level, message := zap.InfoLevel, "reloaded"
	if !r.Done() {
		level, message = zap.WarnLevel, "reloaded in part"
	}
	fields := []zap.Field{
		zap.Any("added", r.Added), zap.Any("removed", r.Removed), zap.Any("changed", r.Changed),
		zap.Any("remade", r.Remade), zap.Int("unchanged", r.Unchanged),
	}
	if len(r.Kept) > 0 {
		fields = append(fields, zap.Strings("kept until the next start", r.Kept))
	}
	if len(r.Failed) > 0 {
		fields = append(fields, zap.Strings("failed", r.Failed))
	}
	a.report(level, api.Event{Kind: api.EventReloaded, Message: message}, nil, fields...)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
