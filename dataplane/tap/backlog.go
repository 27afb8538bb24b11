package tap

// backlog holds tokens between finding that they are ready and returning them, each
// once. It is filled only when it is empty, so what did not fit one call comes before
// anything newer, and no token starves. It belongs to the goroutine that waits.
type backlog struct {
	tokens []int
	next   int    // of tokens, the first that was not returned yet
	queued []bool // by token: it is in tokens, not yet returned
}

func (b *backlog) empty() bool { return b.next == len(b.tokens) }

// add appends token unless it is there.
func (b *backlog) add(token int) {
	if token >= len(b.queued) {
		b.queued = append(b.queued, make([]bool, token+1-len(b.queued))...)
	}
	if !b.queued[token] {
		b.queued[token] = true
		b.tokens = append(b.tokens, token)
	}
}

// deliver moves as many tokens to ready as fit, and returns how many.
func (b *backlog) deliver(ready []int) int {
	n := copy(ready, b.tokens[b.next:])
	for _, t := range ready[:n] {
		b.queued[t] = false
	}
	b.next += n
	if b.empty() {
		b.tokens, b.next = b.tokens[:0], 0
	}
	return n
}
