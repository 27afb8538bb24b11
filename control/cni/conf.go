//go:build linux

package cni

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// conf is the configuration of a plugin as a runtime hands it over.
type conf struct {
	types.PluginConf
	Socket  string          `json:"socket"`
	Runtime json.RawMessage `json:"runtimeConfig"`

	keys  map[string]json.RawMessage // what is said of the network
	words api.Words                  // the same, once it was checked
	vni   encap.VNI                  // 0 if it says none that can be one
	asks  runtime                    // for one container, once it was checked
}

// specified are the keys that the specification and its conventions give a meaning; those
// that a runtime adds begin with reservedPrefix.
var specified = []string{
	"cniVersion", "cniVersions", "name", "type", "capabilities", "ipam", "dns", "args", "runtimeConfig", "prevResult",
	"socket", // is ours, and no word of a network
}

const reservedPrefix = "cni.dev/"

// readConf reads what DEL and GC need of a configuration. What it says of the network is not
// judged: one that was changed, for the worse too, must not keep containers from being
// removed.
func (p *Plugin) readConf(stdin []byte) (*conf, error) {
	c := &conf{Socket: p.Socket}
	for _, into := range []any{c, &c.keys} {
		if err := json.Unmarshal(stdin, into); err != nil {
			return nil, problem(types.ErrDecodingFailure, "read the network configuration: %v", err)
		}
	}
	var vni string
	if raw := c.keys["vni"]; json.Unmarshal(raw, &vni) != nil {
		vni = string(raw)
	}
	c.vni, _ = encap.ParseVNI(vni)
	maps.DeleteFunc(c.keys, func(key string, _ json.RawMessage) bool {
		return slices.Contains(specified, key) || strings.HasPrefix(key, reservedPrefix)
	})
	return c, nil
}

// checkedConf reads a configuration of which all has to be right.
func (p *Plugin) checkedConf(stdin []byte) (*conf, error) {
	c, err := p.readConf(stdin)
	if err != nil {
		return nil, err
	}
	said, err := json.Marshal(c.keys)
	if err == nil {
		err = c.words.UnmarshalJSON(said)
	}
	if err != nil {
		return nil, problem(types.ErrInvalidNetworkConfig, "network %s: %v", c.Name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.words)) {
		if err := p.checkWord(name, c.words[name]); err != nil {
			return nil, err
		}
	}
	if c.vni == 0 {
		return nil, problem(types.ErrInvalidNetworkConfig, "network %s has no vni: give it one, like \"vni\": 42", c.Name)
	}
	if err := c.checkRuntime(); err != nil {
		return nil, err
	}
	if c.RawPrevResult == nil {
		return c, nil
	}
	if err := version.ParsePrevResult(&c.PluginConf); err != nil {
		return nil, problem(types.ErrDecodingFailure, "read prevResult: %v", err)
	}
	return c, nil
}

// checkWord judges a key that is to be a word of vxtap up.
func (p *Plugin) checkWord(name string, values []string) error {
	w := control.FindWord(p.Words, name)
	switch {
	case w == nil:
		return problem(types.ErrUnsupportedField, "unsupported key %q with value %s: want CNI's own, socket, or a word of vxtap up", name, strings.Join(values, ","))
	case !w.List && len(values) != 1:
		return problem(types.ErrInvalidNetworkConfig, "%s: want one value, not %d", name, len(values))
	}
	for _, v := range values {
		if err := w.Set(new(control.NodeSpec), new(control.NetworkSpec), v); err != nil {
			return problem(types.ErrInvalidNetworkConfig, "%s: %v", name, err)
		}
	}
	return nil
}

// owner is what tells the ports of this network from others on the same VNI.
func (c *conf) owner() string { return "cni:" + c.Name }

// client returns one of the agent.
func (c *conf) client() *api.Client { return api.NewClient(c.Socket) }
