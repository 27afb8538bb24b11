package dataplane

import (
	"errors"
	"slices"
)

// watch gives p a token and has every out-worker read it; v.changing is held.
func (v *VTEP) watch(p *port) error {
	p.token = slices.Index(v.tokens, false)
	if p.token < 0 {
		p.token = len(v.tokens)
		v.tokens = append(v.tokens, false)
	}
	v.tokens[p.token] = true
	for _, w := range v.out {
		if err := w.watch(p); err != nil {
			return err
		}
	}
	return nil
}

// unwatch ends the reading of p and waits until no worker can still be at it; v.changing
// is held. Nothing that workers read leads to p any more but the out-workers' own lists.
func (v *VTEP) unwatch(p *port) (err error) {
	for _, w := range v.out {
		err = errors.Join(err, w.forget(p))
	}
	waitOutside(v.gates())
	v.tokens[p.token] = false
	return err
}

// release unwatches p and closes its device.
func (v *VTEP) release(p *port) error {
	err := v.unwatch(p)
	if p.close != nil {
		err = errors.Join(err, p.close())
	}
	return err
}
