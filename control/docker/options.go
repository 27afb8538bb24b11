package docker

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// Keys of what an engine says of a network beside the options of its user.
const (
	keyGeneric  = "com.docker.network.generic" // these
	keyInternal = "com.docker.network.internal"
)

// Options that Docker's own overlay driver has.
const (
	optionEncrypted   = "encrypted"
	optionUnderlayMTU = "com.docker.network.driver.mtu"
	optionVNIs        = "com.docker.network.driver.overlay.vxlanid_list"
)

// autoVNIs is where VNIs begin that nobody chose, as with Docker's own overlay driver.
const autoVNIs = 4096

// request is what a user asks of a network.
type request struct {
	words    api.Words // without the VNI
	vni      encap.VNI // 0: nobody chose one
	remotes  []string
	internal bool
}

// parseNetwork reads the options of a network for a node at those addresses.
func parseNetwork(options map[string]json.RawMessage, locals []netip.Addr) (r request, err error) {
	if text, found := options[keyInternal]; found {
		if err := json.Unmarshal(text, &r.internal); err != nil {
			return r, fmt.Errorf("bad %s: %w", keyInternal, err)
		}
	}
	var own map[string]any
	if text, found := options[keyGeneric]; found {
		if err := json.Unmarshal(text, &own); err != nil {
			return r, fmt.Errorf("bad %s: %w", keyGeneric, err)
		}
	}
	r.words = api.Words{"tap": {"none"}}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		value, ok := own[name].(string)
		if !ok {
			value = fmt.Sprint(own[name])
		}
		if err := r.option(name, value); err != nil {
			return r, err
		}
	}
	return r, r.finish(own, locals)
}

// option takes one option of a user.
func (r *request) option(name, value string) error {
	switch name {
	case "vni", optionVNIs:
		if name == optionVNIs {
			value, _, _ = strings.Cut(value, ",") // one for each subnet, of which ours share one
		}
		vni, err := encap.ParseVNI(value)
		if err == nil && r.vni != 0 && r.vni != vni {
			err = fmt.Errorf("VNI %d and VNI %d: name one", r.vni, vni)
		}
		r.vni = vni
		return optionError(name, err)
	case "remote":
		r.remotes = strings.Split(value, ",")
	case "mtu":
		r.words["mtu"] = []string{value}
	case optionUnderlayMTU: // finish, as it takes the others
	case "sealed", optionEncrypted:
		sealed, err := truth(value)
		if err == nil && sealed {
			r.words["sealed"] = []string{"true"}
		}
		return optionError(name, err)
	default:
		return fmt.Errorf("unknown option %q: want vni, remote, mtu, sealed, or Docker's %s, %s, %s", name, optionEncrypted, optionUnderlayMTU, optionVNIs)
	}
	return nil
}

func optionError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("option %s: %w", name, err)
}

// truth is the value of an option that may be given without one.
func truth(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	v, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("bad value %q: want true or false", value)
	}
	return v, nil
}

// finish fills in what follows from several options. The node itself may be among the
// remotes, so that a network can be described alike on all hosts.
func (r *request) finish(own map[string]any, locals []netip.Addr) error {
	local := locals[0]
	for _, remote := range r.remotes {
		parsed, err := control.ParseRemote(remote)
		addr := parsed.Addr().WithZone("")
		if err == nil && parsed.Port() == 0 && slices.ContainsFunc(locals, func(l netip.Addr) bool { return l.WithZone("") == addr }) {
			continue
		}
		for _, l := range locals {
			if err == nil && l.Is4() == addr.Is4() {
				local = l // to which the network belongs
			}
		}
		r.words["remote"] = append(r.words["remote"], remote)
	}
	value, found := own[optionUnderlayMTU]
	if !found {
		return nil
	}
	n, err := strconv.Atoi(fmt.Sprint(value))
	mtu := encap.OverlayMTU(n, local.Is6(), r.words["sealed"] != nil, 0)
	switch {
	case err != nil || mtu < encap.MinMTU || mtu > encap.MaxMTU:
		return fmt.Errorf("option %s: bad MTU %q of the underlay: want a number like 1500", optionUnderlayMTU, value)
	case r.words["mtu"] != nil:
		return fmt.Errorf("options mtu and %s: the first is the containers', the second the underlay's; give one", optionUnderlayMTU)
	}
	r.words["mtu"] = []string{strconv.Itoa(mtu)}
	return nil
}

// vniOf is the VNI of a network for which nobody chose one: the same on every host, for
// engines that share the network, and most likely another's than that of any other.
func vniOf(id string) encap.VNI {
	h := fnv.New32a()
	h.Write([]byte(id))
	return autoVNIs + encap.VNI(h.Sum32())%(encap.MaxVNI-autoVNIs+1)
}
