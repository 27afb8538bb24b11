//go:build !linux && !darwin && !freebsd

package underlay

func (c conn4) read(b []byte) (received, error) {
	n, control, from, err := c.ReadFrom(b)
	if err != nil {
		return received{}, err
	}
	r := received{len: n, from: plain(from)}
	if control != nil {
		r.ttl = uint8(control.TTL)
	}
	return r, nil
}
