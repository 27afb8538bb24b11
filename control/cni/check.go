//go:build linux

package cni

import (
	"context"
	"errors"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/vxtap/vxtap/control/api"
)

// check sees whether all that add made is there: the agent and its port, the interface with
// its addresses and routes, and the allocation. Plugins after us may have changed the rest.
func (p *Plugin) check(ctx context.Context, args *skel.CmdArgs) error {
	c, err := p.checkedConf(args.StdinData)
	if err != nil {
		return err
	}
	if c.PrevResult == nil {
		return problem(types.ErrInvalidNetworkConfig, "prevResult is missing: CHECK is told by it what is to be there")
	}
	want, err := current.NewResultFromResult(c.PrevResult)
	if err != nil {
		return problem(types.ErrDecodingFailure, "read prevResult: %v", err)
	}
	if err := c.checkPort(ctx, args); err != nil {
		return err
	}
	i := slices.IndexFunc(want.Interfaces, func(i *current.Interface) bool { return i.Name == args.IfName && i.Sandbox != "" })
	if i < 0 {
		return problem(CodeMissing, "prevResult has no interface %s in a container", args.IfName)
	}
	if err := checkInside(args.Netns, want, i); err != nil {
		return err
	}
	return c.allocator(args).check(ctx)
}

// checkPort sees whether the agent has the port.
func (c *conf) checkPort(ctx context.Context, args *skel.CmdArgs) error {
	n, err := c.client().Network(ctx, c.vni)
	switch {
	case errors.Is(err, api.ErrNoAgent):
		return problem(CodeMissing, "%v; the containers' interfaces went with it", err)
	case errors.Is(err, api.ErrNotFound):
		return problem(CodeMissing, "the agent has no network %d; it may have been started anew: remove the container and add it again", c.vni)
	case err != nil:
		return err
	}
	name := portName(args.IfName, args.ContainerID)
	if !slices.ContainsFunc(n.Ports, func(p api.Port) bool { return p.Name == name }) {
		return problem(CodeMissing, "network %d has no port %s; the agent may have been started anew: remove the container and add it again", c.vni, name)
	}
	return nil
}
