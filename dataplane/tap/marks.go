package tap

import "sync"

// marks is a set of tokens that were woken and not yet taken, in the order of waking.
// The zero marks is empty and open. Any goroutine may use it.
type marks struct {
	mu     sync.Mutex
	marked []bool // by token
	list   []int  // the tokens marked, oldest first
	closed bool
}

// add marks token and reports whether it is the first, so that the sleeper must be
// woken. Negative tokens, and all after close, are ignored.
func (m *marks) add(token int) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || token < 0 {
		return false
	}
	if token >= len(m.marked) {
		m.marked = append(m.marked, make([]bool, token+1-len(m.marked))...)
	}
	if m.marked[token] {
		return false
	}
	m.marked[token] = true
	m.list = append(m.list, token)
	return len(m.list) == 1
}

// take unmarks every token and appends them to tokens.
func (m *marks) take(tokens []int) []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.list {
		m.marked[t] = false
	}
	tokens = append(tokens, m.list...)
	m.list = m.list[:0]
	return tokens
}

// close makes the set empty for good, and reports whether it was open.
func (m *marks) close() (was bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was = !m.closed
	m.closed = true
	m.list = nil
	return was
}

func (m *marks) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}
