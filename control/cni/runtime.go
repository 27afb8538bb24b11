//go:build linux

package cni

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/vxtap/vxtap/encap"
)

// runtime is what a runtime says of one container: the capabilities of CONVENTIONS.md.
type runtime struct {
	IPs     []string        `json:"ips"`
	MAC     string          `json:"mac"`
	Aliases json.RawMessage `json:"aliases"`
	DNS     struct {
		Servers  []string `json:"servers"`
		Searches []string `json:"searches"`
		Options  []string `json:"options"`
	} `json:"dns"`
}

// capabilities are those that we act on, and those that address plugins do.
var capabilities = []string{"ips", "mac", "aliases", "dns", "ipRanges", "cgroupPath"}

// checkRuntime reads what the runtime says, and refuses capabilities that nobody would act on.
func (c *conf) checkRuntime() error {
	if c.Runtime == nil {
		return nil
	}
	var said map[string]json.RawMessage
	for _, into := range []any{&said, &c.asks} {
		if err := json.Unmarshal(c.Runtime, into); err != nil {
			return problem(types.ErrDecodingFailure, "read runtimeConfig: %v", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if !slices.Contains(capabilities, name) {
			return problem(types.ErrUnsupportedField, "unsupported capability %q with value %s: give it to a plugin that comes after vxtap", name, said[name])
		}
	}
	return nil
}

// arguments are the pairs of CNI_ARGS that we know. Runtimes send others, too.
type arguments struct {
	types.CommonArgs
	IP, MAC types.UnmarshallableString
}

func parseArguments(text string) (a arguments, err error) {
	if err := types.LoadArgs(text, &a); err != nil {
		return a, problem(types.ErrInvalidEnvironmentVariables, "CNI_ARGS %s: %v", text, err)
	}
	return a, nil
}

// mac is what the runtime wants for the interface's, by capability or else in CNI_ARGS; zero
// leaves it to the agent.
func (c *conf) mac(a arguments) (encap.MAC, error) {
	text := c.asks.MAC
	if text == "" {
		text = string(a.MAC)
	}
	if text == "" {
		return encap.MAC{}, nil
	}
	mac, err := encap.ParseMAC(text)
	if err == nil && !mac.IsUnicast() {
		err = problem(types.ErrInvalidNetworkConfig, "MAC %s is none of an interface", text)
	}
	if err != nil {
		return mac, problem(types.ErrInvalidNetworkConfig, "capability mac: %v", err)
	}
	return mac, nil
}

// aliases are names for the container. By the conventions they are a list; podman sends one
// for each network.
func (c *conf) aliases() ([]string, error) {
	if c.asks.Aliases == nil {
		return nil, nil
	}
	var list []string
	if json.Unmarshal(c.asks.Aliases, &list) == nil {
		return list, nil
	}
	var byNetwork map[string][]string
	if err := json.Unmarshal(c.asks.Aliases, &byNetwork); err != nil {
		return nil, problem(types.ErrInvalidNetworkConfig, "capability aliases: want a list of names, not %s", c.asks.Aliases)
	}
	return byNetwork[c.Name], nil
}

// dns is what a container's resolver is to ask: as the runtime says, or else the
// configuration, or else the address plugin.
func (c *conf) dns(allocated types.DNS) types.DNS {
	said := c.asks.DNS
	d := types.DNS{Nameservers: said.Servers, Search: said.Searches, Options: said.Options}
	for _, other := range []types.DNS{c.DNS, allocated} {
		if len(d.Nameservers) == 0 {
			d.Nameservers = other.Nameservers
		}
		if len(d.Search) == 0 {
			d.Search = other.Search
		}
		if len(d.Options) == 0 {
			d.Options = other.Options
		}
		if d.Domain == "" {
			d.Domain = other.Domain
		}
	}
	return d
}

// asked are the addresses that the runtime asks for.
func (c *conf) asked(a arguments) ([]netip.Prefix, error) {
	texts := c.asks.IPs
	if len(texts) == 0 && a.IP != "" {
		texts = []string{string(a.IP)}
	}
	var list []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, problem(types.ErrInvalidNetworkConfig, "bad address %q: without ipam, want one with the length of its prefix, like 192.168.77.10/24", text)
		}
		list = append(list, p)
	}
	return list, nil
}
