//go:build linux

package cni

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/vxtap/vxtap/control/api"
)

// add gives a container an interface on the network. If it fails, what was made is taken
// away again.
func (p *Plugin) add(ctx context.Context, args *skel.CmdArgs) (err error) {
	c, err := p.checkedConf(args.StdinData)
	if err != nil {
		return err
	}
	spec, err := c.port(args)
	if err != nil {
		return err
	}
	unlock, err := lock(c.Socket, spec.Name)
	if err != nil {
		return err
	}
	defer unlock()
	agent := c.client()
	host, err := c.lookAround(ctx, agent, spec.Name)
	if err != nil {
		return err
	}
	if err := checkFree(args); err != nil {
		return err
	}

	addresses := c.allocator(args)
	allocated, err := addresses.add(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = alsoFailed(err, "release the addresses again", addresses.del(ctx))
		}
	}()
	if err := address(&spec, allocated); err != nil {
		return err
	}
	if err := checkClash(append(spec.Addresses, host.addresses...), host.devices); err != nil {
		return err
	}
	made, err := agent.AddPort(ctx, c.vni, spec)
	if err != nil {
		return takeAway(ctx, agent, c, spec.Name, err)
	}
	result, err := c.result(args, made, allocated)
	if err == nil {
		err = result.PrintTo(p.Stdout)
	}
	if err != nil { // nobody knows of it
		return alsoFailed(err, "remove the port again", agent.RemovePort(ctx, c.vni, spec.Name))
	}
	return nil
}

// port is what the agent is asked for, but for addresses.
func (c *conf) port(args *skel.CmdArgs) (spec api.PortSpec, err error) {
	said, err := parseArguments(args.Args)
	if err != nil {
		return spec, err
	}
	spec = api.PortSpec{
		Name: portName(args.IfName, args.ContainerID), Device: args.IfName, NetNS: args.Netns,
		Network: c.words, Owner: c.owner(),
	}
	if spec.MAC, err = c.mac(said); err != nil {
		return spec, err
	}
	spec.Aliases, err = c.aliases()
	return spec, err
}

// surroundings are what the agent's host has of a network already, or is about to get.
type surroundings struct {
	devices   []string       // its interfaces
	addresses []netip.Prefix // of the one that is to be made
}

// lookAround sees whether the agent answers and the port's name is free, before anything is
// made. A port of that name has addresses that are not ours to release.
func (c *conf) lookAround(ctx context.Context, agent *api.Client, name string) (s surroundings, err error) {
	n, err := agent.Network(ctx, c.vni)
	if errors.Is(err, api.ErrNotFound) {
		s.addresses, err = ownAddresses(c.words["address"])
		return s, err
	}
	if err != nil {
		return s, err
	}
	if slices.ContainsFunc(n.Ports, func(p api.Port) bool { return p.Name == name }) {
		return s, problem(types.ErrInvalidEnvironmentVariables, "port %s is on network %d already: the container (CNI_CONTAINERID, CNI_IFNAME) was added before; remove it with DEL first", name, c.vni)
	}
	for _, p := range n.Ports {
		if p.NetNS == "" {
			s.devices = append(s.devices, p.Device)
		}
	}
	return s, nil
}

// takeAway removes what is left of a port that could not be added. What the agent refused it
// has taken away itself; an answer that did not come may have been a good one.
func takeAway(ctx context.Context, agent *api.Client, c *conf, name string, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) {
		return err
	}
	return alsoFailed(err, "remove the port again", agent.RemovePort(ctx, c.vni, name))
}

// alsoFailed adds to an error that what was to take its traces away failed too.
func alsoFailed(err error, what string, also error) error {
	if also == nil || isGone(also) {
		return err
	}
	return fmt.Errorf("%w; and could not %s: %w", err, what, also)
}

// result tells the runtime what was made.
func (c *conf) result(args *skel.CmdArgs, made api.Port, allocated *current.Result) (types.Result, error) {
	r := &current.Result{}
	if c.PrevResult != nil { // of a plugin before us, to which we add
		var err error
		if r, err = current.NewResultFromResult(c.PrevResult); err != nil {
			return nil, problem(types.ErrDecodingFailure, "read prevResult: %v", err)
		}
	}
	index := len(r.Interfaces)
	r.Interfaces = append(r.Interfaces, &current.Interface{Name: made.Device, Mac: made.MAC.String(), Mtu: made.MTU, Sandbox: args.Netns})
	for _, ip := range allocated.IPs {
		ip.Interface = current.Int(index)
		r.IPs = append(r.IPs, ip)
	}
	r.Routes = append(r.Routes, allocated.Routes...)
	r.DNS = c.dns(allocated.DNS)
	return r.GetAsVersion(c.CNIVersion)
}
