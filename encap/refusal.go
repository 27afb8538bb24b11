package encap

// Refusal says why a port does not carry a frame, where that is the port's own decision
// and not its system's. A port that reads tells it in [Frame.Refusal], and one that is
// written to returns it as the error about a frame.
type Refusal uint8

const (
	// RefusalNone is of a frame that is carried.
	RefusalNone Refusal = iota
	// RefusalHeld: the port keeps the frame that it read, and brings it again, or tells
	// what came of it. Only for reads.
	RefusalHeld
	// RefusalNoNeighbour: nobody has said to have the address that a packet goes to next.
	RefusalNoNeighbour
	// RefusalNeighbourQueue: too many packets wait for that to be said.
	RefusalNeighbourQueue
	// RefusalNeighbourTable: too many neighbours are known or asked for.
	RefusalNeighbourTable
	// RefusalOtherStation: a written frame is addressed to another station.
	RefusalOtherStation
	// RefusalNotIP: a frame holds no IP packet, and the port's device carries no others.
	RefusalNotIP
	// RefusalBusy: the port has no room for what it would have to look at by itself.
	RefusalBusy

	NumRefusals
)

var refusalTexts = [NumRefusals]string{
	RefusalHeld:           "it is kept until its neighbour is known",
	RefusalNoNeighbour:    "nobody has said to have the address that it goes to next",
	RefusalNeighbourQueue: "too many packets wait for a neighbour",
	RefusalNeighbourTable: "too many neighbours are known",
	RefusalOtherStation:   "it is addressed to another station",
	RefusalNotIP:          "it holds no IP packet, and the device carries no others",
	RefusalBusy:           "the port has no room for it",
}

// Error implements error.
func (r Refusal) Error() string {
	if r > RefusalNone && r < NumRefusals {
		return refusalTexts[r]
	}
	return "it is carried"
}
