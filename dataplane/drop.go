package dataplane

import "github.com/vxtap/vxtap/encap"

// Drop says why a frame ended in this VTEP without reaching a port or the underlay.
// Every frame received has one fate: it was forwarded, or it has exactly one Drop.
type Drop uint8

const (
	dropNone Drop = iota

	// Both directions.
	DropRunt          // shorter than an Ethernet header
	DropInvalidSource // source MAC is zero or a group address
	DropNoDestination // nobody to send it to: no other port, no remote, an empty flood list
	DropMalformed     // offsets or sizes of its offload metadata contradict its bytes
	DropHeaders       // a superframe to be cut up, whose headers cannot be followed to its payload
	DropPortFull      // the port's device had no room
	DropPortGone      // the port was closed or its device removed
	DropPortRefused   // the device refused the frame, because it is down for one
	DropPortTooBig    // the frame, or a segment of it, exceeds the MTU of the port
	DropOtherStation  // it was flooded to a port that is another station, and does not want it
	DropNotIP         // no IP packet, for or from a device that has no others

	// Out: from a port.
	DropHairpin     // the destination is behind the port that it came from
	DropTooBig      // encapsulated, it exceeds the path MTU, and DF is set
	DropUnreachable // the underlay has no route to the remote, or lost its own address
	DropSendFull    // the underlay's send buffer was full
	DropSendFailed  // the underlay refused it for another reason
	DropNoKey       // sealed: no session with the peer came about in time
	DropKeySpent    // sealed: the session's key may seal no more, and there is no new one

	// Out, from a port that finds its neighbours itself.
	DropNoNeighbour    // nobody has said to have the address that the packet goes to next
	DropNeighbourQueue // too many packets wait for that to be said
	DropNeighbourTable // too many neighbours are known or asked for

	// In: from the underlay.
	DropTruncated    // the datagram was longer than the receive buffer
	DropNoHeader     // shorter than a VXLAN header
	DropNoVNIFlag    // the I flag is clear (RFC 7348 section 5)
	DropReserved     // a reserved bit is set that the network does not tolerate
	DropUnknownVNI   // no network here has this VNI
	DropUnknownVTEP  // the network is closed and the sender is none of its remotes
	DropLoop         // source MAC is that of a port of this node, or the sender is this VTEP
	DropElsewhere    // source MAC has an entry, not learned, that it is elsewhere
	DropECN          // congestion marked outside, but not ECN-capable inside (RFC 6040)
	DropSplitHorizon // the destination is behind a remote: never back into the tunnel

	// In, sealed.
	DropSealedHeader   // malformed, or of an unknown version, type or flag
	DropUnknownSession // no session here has this index
	DropForged         // it does not come from the peer of the session, or was changed
	DropReplayed       // it came before, or is too old to tell
	DropClear          // clear text for a network that is sealed
	DropSealed         // sealed, for a network that is not
	DropNotMember      // the peer is authentic, but no member of the network

	numDrops
)

var dropNames = [numDrops]string{
	DropRunt:          "runt",
	DropInvalidSource: "invalid_source",
	DropNoDestination: "no_destination",
	DropMalformed:     "malformed_offload",
	DropHeaders:       "unknown_headers",
	DropPortFull:      "port_full",
	DropPortGone:      "port_gone",
	DropPortRefused:   "port_refused",
	DropPortTooBig:    "port_too_big",
	DropOtherStation:  "other_station",
	DropNotIP:         "not_ip",
	DropHairpin:       "hairpin",
	DropTooBig:        "too_big",
	DropUnreachable:   "unreachable",
	DropSendFull:      "send_full",
	DropSendFailed:    "send_failed",
	DropTruncated:     "truncated",
	DropNoHeader:      "no_header",
	DropNoVNIFlag:     "no_vni_flag",
	DropReserved:      "reserved_bits",
	DropUnknownVNI:    "unknown_vni",
	DropUnknownVTEP:   "unknown_vtep",
	DropLoop:          "loop",
	DropElsewhere:     "source_elsewhere",
	DropECN:           "ecn",
	DropSplitHorizon:  "split_horizon",

	DropNoNeighbour:    "no_neighbour",
	DropNeighbourQueue: "neighbour_queue_full",
	DropNeighbourTable: "neighbour_table_full",

	DropNoKey:          "no_key",
	DropKeySpent:       "key_spent",
	DropSealedHeader:   "sealed_header",
	DropUnknownSession: "unknown_session",
	DropForged:         "forged",
	DropReplayed:       "replayed",
	DropClear:          "clear_text",
	DropSealed:         "sealed_for_plain",
	DropNotMember:      "not_member",
}

// String returns the name under which the drop is counted, as in "unknown_vni".
func (d Drop) String() string {
	if d > dropNone && d < numDrops {
		return dropNames[d]
	}
	return "none"
}

// refusals are what the refusals of ports count as. One that a port has no business to
// return is like an unknown error.
var refusals = [encap.NumRefusals]Drop{
	encap.RefusalNone:           DropPortRefused,
	encap.RefusalHeld:           DropPortRefused,
	encap.RefusalNoNeighbour:    DropNoNeighbour,
	encap.RefusalNeighbourQueue: DropNeighbourQueue,
	encap.RefusalNeighbourTable: DropNeighbourTable,
	encap.RefusalOtherStation:   DropOtherStation,
	encap.RefusalNotIP:          DropNotIP,
	encap.RefusalBusy:           DropPortFull,
}

// refusalDrop names the reason that a port gave.
func refusalDrop(r encap.Refusal) Drop {
	if r < encap.NumRefusals {
		return refusals[r]
	}
	return DropPortRefused
}

// Drops lists every reason, in the order of the enum.
func Drops() []Drop {
	all := make([]Drop, 0, numDrops-1)
	for d := dropNone + 1; d < numDrops; d++ {
		all = append(all, d)
	}
	return all
}
