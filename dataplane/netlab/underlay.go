package netlab

import "fmt"

// Underlay names what a veth pair takes over from the hosts at its ends. A veth pair
// is kinder than any wire; measured over one, a tunnel should say over which.
type Underlay string

const (
	// Super leaves the pair as the kernel makes it: packets of 64 KB cross it whole.
	Super Underlay = "super"
	// Wire makes each packet a packet, and has the receiver merge them, as the driver
	// of a network card does.
	Wire Underlay = "wire"
	// Bare is Wire with a receiver that does not merge.
	Bare Underlay = "bare"
)

// Underlays are all of them, the kindest first.
var Underlays = [...]Underlay{Super, Wire, Bare}

// ParseUnderlay returns the Underlay of that name.
func ParseUnderlay(name string) (Underlay, error) {
	for _, u := range Underlays {
		if name == string(u) {
			return u, nil
		}
	}
	return "", fmt.Errorf("underlay %q: give one of super, wire, bare", name)
}

// segmentation are the features by which a sender leaves cutting to the device.
// Linux has several kinds of TCP segmentation, and one that is left on carries the
// flows that use it across whole. Without tx-udp-segmentation in the list, trains of
// UDP datagrams would cross whole.
var segmentation = [...]string{
	"tx-tcp-segmentation",
	"tx-tcp-ecn-segmentation",
	"tx-tcp-accecn-segmentation", // of newer kernels
	"tx-tcp-mangleid-segmentation",
	"tx-tcp6-segmentation",
	"tx-generic-segmentation",
	"tx-udp-segmentation",
}

// Features are the ethtool features that make the Underlay, on or off. Kernels lack
// some of them.
func (u Underlay) Features() map[string]bool {
	if u != Wire && u != Bare {
		return nil
	}
	features := map[string]bool{"rx-gro": u == Wire}
	for _, name := range segmentation {
		features[name] = false
	}
	return features
}
