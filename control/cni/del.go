//go:build linux

package cni

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"

	"github.com/vxtap/vxtap/control/api"
)

// del takes a container off the network: all that is there of its attachment, as often as it
// is asked, and whether its namespace is still there or not.
func (p *Plugin) del(ctx context.Context, args *skel.CmdArgs) error {
	c, err := p.readConf(args.StdinData)
	if err != nil {
		return err
	}
	name := portName(args.IfName, args.ContainerID)
	unlock, err := lock(c.Socket, name)
	if err != nil {
		return err
	}
	defer unlock()
	// The port first, so that nobody is given an address that is still in use.
	err = c.removePort(ctx, c.client(), name)
	return errors.Join(err, c.allocator(args).del(ctx))
}

// removePort removes an attachment's port from the network, or from that on which it is: the
// configuration may have been changed since it was added.
func (c *conf) removePort(ctx context.Context, agent *api.Client, name string) error {
	if c.vni != 0 {
		if err := agent.RemovePort(ctx, c.vni, name); !errors.Is(err, api.ErrNotFound) {
			return unlessGone(err)
		}
	}
	return c.removePorts(ctx, agent, func(other string) bool { return other == name })
}

// removePorts removes the ports of this configuration that match, wherever they are. It goes
// on when one fails.
func (c *conf) removePorts(ctx context.Context, agent *api.Client, match func(name string) bool) error {
	node, err := agent.Node(ctx)
	if err != nil {
		return unlessGone(err)
	}
	for _, n := range node.Networks {
		for _, port := range n.Ports {
			if port.Owner != c.owner() || !match(port.Name) {
				continue
			}
			if e := unlessGone(agent.RemovePort(ctx, n.VNI, port.Name)); e != nil {
				err = errors.Join(err, fmt.Errorf("remove port %s of network %d: %w", port.Name, n.VNI, e))
			}
		}
	}
	return err
}

func unlessGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}

// gc removes all ports of the network that the runtime does not name, and has the address
// plugin do likewise.
func (p *Plugin) gc(ctx context.Context, args *skel.CmdArgs) error {
	c, err := p.readConf(args.StdinData)
	if err != nil {
		return err
	}
	var valid []string
	for _, a := range c.ValidAttachments {
		valid = append(valid, portName(a.IfName, a.ContainerID))
	}
	err = c.removePorts(ctx, c.client(), func(name string) bool { return !slices.Contains(valid, name) })
	return errors.Join(err, c.allocator(args).gc(ctx))
}
