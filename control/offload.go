package control

import "fmt"

// Offload says which of the system's offloads a node uses, of those that there are.
type Offload uint8

const (
	// OffloadAuto uses all.
	OffloadAuto Offload = iota
	// OffloadTAP uses those of devices: superframes and unfinished checksums.
	OffloadTAP
	// OffloadUnderlay uses those of sockets: trains.
	OffloadUnderlay
	// OffloadNone uses none, and still moves many frames a system call.
	OffloadNone
	// OffloadOff uses the portable drivers, one frame a system call.
	OffloadOff
)

// offloadWords are the names of each Offload on the command line.
var offloadWords = [...]string{"auto", "tap", "underlay", "none", "off"}

// ParseOffload parses the name of an Offload.
func ParseOffload(s string) (Offload, error) {
	for i, word := range offloadWords {
		if s == word {
			return Offload(i), nil
		}
	}
	return 0, fmt.Errorf("bad offload %q: want auto, tap, underlay, none or off", s)
}

// String returns the name.
func (o Offload) String() string {
	if int(o) < len(offloadWords) {
		return offloadWords[o]
	}
	return fmt.Sprintf("Offload(%d)", uint8(o))
}

// TAP reports whether devices are to use offloads.
func (o Offload) TAP() bool { return o == OffloadAuto || o == OffloadTAP }

// Underlay reports whether sockets are to use offloads.
func (o Offload) Underlay() bool { return o == OffloadAuto || o == OffloadUnderlay }

// Portable reports whether the portable drivers are to be used.
func (o Offload) Portable() bool { return o == OffloadOff }
