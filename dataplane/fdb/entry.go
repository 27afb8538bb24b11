package fdb

import (
	"fmt"

	"github.com/vxtap/vxtap/encap"
)

// Class is where an entry comes from, and its precedence: a higher class replaces a
// lower one, and a lower one never touches a higher.
type Class uint8

const (
	None       Class = iota // no entry
	Learned                 // from the source of a frame; ages, and counts against the limit
	Static                  // configured
	Controlled              // from a control plane
	Local                   // a port of this node

	classes = iota
)

// String returns the class in lower case, as shown to users.
func (c Class) String() string {
	switch c {
	case None:
		return "none"
	case Learned:
		return "learned"
	case Static:
		return "static"
	case Controlled:
		return "controlled"
	case Local:
		return "local"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Entry is what the table knows about one MAC.
type Entry[D any] struct {
	MAC   encap.MAC
	Class Class
	Dest  *D
	// Seen is when the MAC last sent something, in the seconds that [Table.Learn] and
	// [Table.Learned] were given; 0 for an entry that was set and has not been seen.
	Seen uint32
}

// HeldError says that an entry stands in the way of one that was to be added or set.
type HeldError struct {
	MAC   encap.MAC
	Class Class // of the entry in the way
}

// Error names the MAC and the class of the entry that holds it.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%v already has a %v entry", e.MAC, e.Class)
}

// binding is the part of an entry that is the same for all MACs of one class behind
// one destination. It is immutable and shared by them, so that learning a MAC
// allocates nothing and a reader gets class and destination in one load.
type binding[D any] struct {
	class Class
	dest  *D
}
