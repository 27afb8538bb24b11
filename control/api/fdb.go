package api

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// Class is where an entry comes from.
type Class string

// The classes of entries. ClassFlood marks the lines of the flood list, which carry the
// zero MAC.
const (
	ClassLearned    Class = "learned"
	ClassStatic     Class = "static"
	ClassControlled Class = "controlled"
	ClassLocal      Class = "local"
	ClassFlood      Class = "flood"
)

// FDBEntry is one line of a network's forwarding table: a MAC, and the port of this
// node or the VTEP that holds it. A group MAC has a line for each of its VTEPs.
type FDBEntry struct {
	MAC        encap.MAC  `json:"mac"`
	Class      Class      `json:"class"`
	Port       string     `json:"port,omitempty"`
	Dst        netip.Addr `json:"dst,omitzero"`
	DstPort    uint16     `json:"dst_port,omitempty"`
	AgeSeconds uint32     `json:"age_seconds,omitempty"` // since a learned MAC was last heard
}

// Op is a way to change the table.
type Op string

// The changes. OpAdd fails if the MAC has an entry; OpAppend adds one more VTEP to the
// flood list or to a group MAC; OpReplace takes the place of what is there.
const (
	OpAdd     Op = "add"
	OpAppend  Op = "append"
	OpReplace Op = "replace"
)

// FDBChange asks for a static entry, or with the zero MAC for a VTEP on the flood list.
type FDBChange struct {
	Op      Op         `json:"op"`
	MAC     encap.MAC  `json:"mac"`
	Dst     netip.Addr `json:"dst"`
	DstPort uint16     `json:"dst_port,omitempty"` // 0 is the agent's own port
}

// FDBFlush says which learned and static entries to remove: those to which every field
// that is set applies.
type FDBFlush struct {
	Class Class      `json:"class,omitempty"` // ClassLearned, ClassStatic, or empty for both
	MAC   encap.MAC  `json:"mac,omitzero"`    // zero is any
	Dst   netip.Addr `json:"dst,omitzero"`    // invalid is any
	Port  string     `json:"port,omitempty"`  // name of a port of the node; empty is any
}

// FDBFlushed says how many entries a flush removed.
type FDBFlushed struct {
	Removed int `json:"removed"`
}
