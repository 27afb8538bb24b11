package crypto

// Refusal is why something that arrived was not taken.
type Refusal uint8

// Reasons, in the order in which they are looked for.
const (
	RefusedForm      Refusal = iota // size, version, flags or a field that no message has
	RefusedMAC                      // made by somebody who does not know our public key
	RefusedIndex                    // for a handshake or session that is not there (any more)
	RefusedLoad                     // too much to do: asked to show its address by a cookie, or dropped
	RefusedHandshake                // does not decrypt: forged, another cipher suite, or another pre-shared key
	RefusedStranger                 // of a public key that is no peer's
	RefusedStale                    // an initiation not newer than the last: replayed, or a clock went back
	RefusedForged                   // data or a sign that does not authenticate
	RefusedReplayed                 // data or a sign that was there before, or is too old to tell

	NumRefusals = int(iota)
)

var refusalNames = [NumRefusals]string{
	"malformed", "bad-mac", "unknown-index", "load", "bad-handshake", "stranger", "stale", "forged", "replayed",
}

// String returns a word for the reason.
func (r Refusal) String() string {
	if int(r) < NumRefusals {
		return refusalNames[r]
	}
	return "unknown"
}

// Refusals counts by reason.
type Refusals [NumRefusals]uint64

// Total is the sum over all reasons.
func (r *Refusals) Total() (sum uint64) {
	for _, n := range r {
		sum += n
	}
	return sum
}
