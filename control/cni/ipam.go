//go:build linux

package cni

import (
	"context"
	"errors"
	"net"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// allocator gives an attachment its addresses. The host has plugins of its own for that;
// nodes that hold addresses in common are another.
type allocator interface {
	// add allocates. With an error, nothing is.
	add(context.Context) (*current.Result, error)
	// del releases what the attachment has, if anything.
	del(context.Context) error
	check(context.Context) error
	// gc releases what no valid attachment has.
	gc(context.Context) error
	status(context.Context) error
}

// allocator returns the one that the configuration names.
func (c *conf) allocator(args *skel.CmdArgs) allocator {
	if c.IPAM.Type != "" {
		return delegate{c.IPAM.Type, args.StdinData}
	}
	return given{c, args.Args}
}

// delegate is a plugin beside us, which is given what we were.
type delegate struct {
	plugin string
	stdin  []byte
}

func (d delegate) add(ctx context.Context) (*current.Result, error) {
	r, err := invoke.DelegateAdd(ctx, d.plugin, d.stdin, nil)
	if err != nil {
		return nil, d.say(err)
	}
	result, err := current.NewResultFromResult(r)
	if err != nil {
		return nil, problem(types.ErrDecodingFailure, "ipam %s: read its result: %v", d.plugin, err)
	}
	return result, nil
}

func (d delegate) del(ctx context.Context) error {
	return d.say(invoke.DelegateDel(ctx, d.plugin, d.stdin, nil))
}

func (d delegate) check(ctx context.Context) error {
	return d.say(invoke.DelegateCheck(ctx, d.plugin, d.stdin, nil))
}

func (d delegate) gc(ctx context.Context) error {
	return d.say(invoke.DelegateGC(ctx, d.plugin, d.stdin, nil))
}

func (d delegate) status(ctx context.Context) error {
	return d.say(invoke.DelegateStatus(ctx, d.plugin, d.stdin, nil))
}

// say names the plugin. The code that it chose stays; one that is not there has none.
func (d delegate) say(err error) error {
	var coded *types.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return problem(coded.Code, "ipam %s: %s", d.plugin, oneLine(err))
	}
	return problem(types.ErrInvalidNetworkConfig, "ipam %s: %s", d.plugin, oneLine(err))
}

// given is the runtime, which says itself what it wants.
type given struct {
	conf *conf
	args string
}

func (g given) add(context.Context) (*current.Result, error) {
	args, err := parseArguments(g.args)
	if err != nil {
		return nil, err
	}
	list, err := g.conf.asked(args)
	r := &current.Result{}
	for _, p := range list {
		r.IPs = append(r.IPs, &current.IPConfig{Address: net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}})
	}
	return r, err
}

func (given) del(context.Context) error    { return nil }
func (given) check(context.Context) error  { return nil }
func (given) gc(context.Context) error     { return nil }
func (given) status(context.Context) error { return nil }
