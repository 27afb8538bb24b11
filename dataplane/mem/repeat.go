package mem

// repeat serves the same records over and over, a given number in all. The zero
// repeat has nothing to serve.
type repeat[T any] struct {
	items []T
	at    int
	count uint64 // still to be served
}

func newRepeat[T any](items []T, n uint64) repeat[T] {
	if len(items) == 0 {
		n = 0
	}
	return repeat[T]{items: items, count: n}
}

func (r *repeat[T]) left() bool { return r.count > 0 }

// peek returns the record that is next, or nil after the last.
func (r *repeat[T]) peek() *T {
	if r.count == 0 {
		return nil
	}
	return &r.items[r.at]
}

func (r *repeat[T]) advance() {
	r.count--
	r.at++
	if r.at == len(r.items) {
		r.at = 0
	}
}
