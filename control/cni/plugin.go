//go:build linux

package cni

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
)

// Versions are those of the specification that the plugin speaks.
var Versions = version.PluginSupports("0.4.0", "1.0.0", "1.1.0")

// Plugin answers one call of a runtime. Its errors are [*types.Error] or become one by
// [Coded].
type Plugin struct {
	Words  []control.Word // what may be said of a network
	Socket string         // of the agent, unless the configuration names one
	Stdout io.Writer      // takes results

	version string // of the call, once it is known
}

// Funcs returns the commands for package skel.
func (p *Plugin) Funcs() skel.CNIFuncs {
	return skel.CNIFuncs{
		Add: p.coded(p.add), Del: p.coded(p.del), Check: p.coded(p.check), GC: p.coded(p.gc), Status: p.coded(p.status),
	}
}

// coded has every error of a command carry a code, and notes the version for errors.
func (p *Plugin) coded(command func(context.Context, *skel.CmdArgs) error) func(*skel.CmdArgs) error {
	return func(args *skel.CmdArgs) error {
		if v, err := new(version.ConfigDecoder).Decode(args.StdinData); err == nil {
			p.version = v
		}
		if err := command(context.Background(), args); err != nil {
			return Coded(err)
		}
		args.NetnsOverride = "true" // or package skel looks at the namespace now, when all is done
		return nil
	}
}

// overridden reports whether a runtime means the host's own namespace to be a container's.
func overridden(args *skel.CmdArgs) bool {
	return args.NetnsOverride == "1" || strings.EqualFold(args.NetnsOverride, "true")
}

// WriteError writes an error as the specification has it (section 5, Error). What package
// types prints lacks the version.
func (p *Plugin) WriteError(err *types.Error) error {
	v := p.version
	if v == "" {
		v = current.ImplementedSpecVersion
	}
	text, e := json.MarshalIndent(struct {
		CNIVersion string `json:"cniVersion"`
		*types.Error
	}{v, err}, "", "    ")
	if e != nil {
		return e
	}
	_, e = p.Stdout.Write(append(text, '\n'))
	return e
}

// maxPortName is the longest name that the agent takes for a port, in bytes.
const maxPortName = 128

// portName is the name of an attachment's port. Identifiers of containers may have any
// length; those that would be too long are told apart by their digest.
func portName(ifname, container string) string {
	name := ifname + "@" + container
	if len(name) > maxPortName {
		name = fmt.Sprintf("%s@%x", ifname, sha256.Sum256([]byte(container)))
	}
	return name
}

// isGone reports whether an error of the agent means that what was to be removed is not
// there. All that an agent makes goes with it, at the latest.
func isGone(err error) bool {
	return errors.Is(err, api.ErrNotFound) || errors.Is(err, api.ErrNoAgent)
}
