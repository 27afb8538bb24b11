package api

import (
	"fmt"
	"strconv"
)

// TOS says what the TOS byte or traffic class of outer packets is. The zero TOS
// inherits it from the inner packet.
type TOS struct {
	Fixed bool
	Value uint8 // if Fixed
}

// String returns "inherit", or the value as in "0x10".
func (t TOS) String() string {
	if !t.Fixed {
		return "inherit"
	}
	return fmt.Sprintf("%#02x", t.Value)
}

// MarshalText implements [encoding.TextMarshaler].
func (t TOS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *TOS) UnmarshalText(text []byte) error {
	if string(text) == "inherit" {
		*t = TOS{}
		return nil
	}
	v, err := strconv.ParseUint(string(text), 0, 8)
	if err != nil {
		return fmt.Errorf("bad tos %q: want inherit, or a number from 0 to 255", text)
	}
	*t = TOS{Fixed: true, Value: uint8(v)}
	return nil
}

// Mask is a set of bits of the VXLAN header, first byte highest. It travels as a
// string, since a JSON number of 64 bits loses its low bits in many readers.
type Mask uint64

// String returns all 16 hexadecimal digits after 0x.
func (m Mask) String() string { return fmt.Sprintf("0x%016x", uint64(m)) }

// MarshalText implements [encoding.TextMarshaler].
func (m Mask) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *Mask) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 0, 64)
	if err != nil {
		return fmt.Errorf("bad bit mask %q: want 64 bits, like 0x0800000000000000", text)
	}
	*m = Mask(v)
	return nil
}
