package encap

import (
	"fmt"
	"strconv"
)

// VNI is a VXLAN network identifier, 24 bits (RFC 7348 section 4).
type VNI uint32

// MaxVNI is the largest VNI.
const MaxVNI VNI = 1<<24 - 1

// ParseVNI parses a decimal VNI from 1 to [MaxVNI]. RFC 7348 does not forbid VNI 0,
// but it is what a sender that left the field empty sends, so a network cannot be
// given it. The error carries the input.
func ParseVNI(s string) (VNI, error) {
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil || !VNI(v).Valid() {
		return 0, fmt.Errorf("bad VNI %q: want a number from 1 to %d", s, MaxVNI)
	}
	return VNI(v), nil
}

// Valid reports whether v can name a network: 1 to [MaxVNI].
func (v VNI) Valid() bool { return v > 0 && v <= MaxVNI }

// String returns v in decimal.
func (v VNI) String() string { return strconv.FormatUint(uint64(v), 10) }
