package crypto

import "time"

// Sessions that do not come about are silent by nature: whoever has another key is not
// answered, and an answer that does not decrypt may be anybody's. So it is said, soon and then
// rarely.
const (
	firstComplaint = 10 * time.Second // without a session
	nextComplaint  = 10 * time.Minute
)

// complain says that there is still no session, and whether anything came back.
func (p *Peer) complain(now time.Duration) {
	if now < p.complainAt || p.current() != nil {
		return
	}
	kind := NoAnswer
	if p.answered {
		kind = BadAnswer
	}
	p.complainAt, p.answered = now+nextComplaint, false
	p.node.tell(kind, p, p.number)
}
