//go:build linux

package cni

import (
	"context"
	"errors"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/vxtap/vxtap/control/api"
)

// status says whether containers can be added. Where no agent runs, those that were have lost
// their interfaces, too.
func (p *Plugin) status(ctx context.Context, args *skel.CmdArgs) error {
	c, err := p.checkedConf(args.StdinData)
	if err != nil {
		return err
	}
	switch _, err := c.client().Node(ctx); {
	case errors.Is(err, api.ErrNoAgent):
		return problem(types.ErrLimitedConnectivity, "%v", err)
	case err != nil:
		return problem(types.ErrPluginNotAvailable, "%v", err)
	}
	return c.allocator(args).status(ctx)
}
