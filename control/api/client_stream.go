package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/vxtap/vxtap/encap"
)

// Network asks for a description of one network.
func (c *Client) Network(ctx context.Context, vni encap.VNI) (n Network, err error) {
	return n, c.do(ctx, http.MethodGet, networkPath(vni), nil, &n)
}

// Up asks for a network as the words of vxtap up say, which is there until it is removed or
// the agent ends.
func (c *Client) Up(ctx context.Context, words Words) (n Network, err error) {
	return n, c.do(ctx, http.MethodPost, "/v1/networks", words, &n)
}

// RemoveNetwork takes a network down.
func (c *Client) RemoveNetwork(ctx context.Context, vni encap.VNI) error {
	return c.do(ctx, http.MethodDelete, networkPath(vni), nil, nil)
}

// Ports asks for the ports of a network.
func (c *Client) Ports(ctx context.Context, vni encap.VNI) (list []Port, err error) {
	return list, c.do(ctx, http.MethodGet, networkPath(vni)+"/ports", nil, &list)
}

// AddPort asks for one more port of a network, which is there until it is removed, its
// device or namespace goes away, or the network does.
func (c *Client) AddPort(ctx context.Context, vni encap.VNI, spec PortSpec) (p Port, err error) {
	return p, c.do(ctx, http.MethodPost, networkPath(vni)+"/ports", spec, &p)
}

// RemovePort removes a port that AddPort made.
func (c *Client) RemovePort(ctx context.Context, vni encap.VNI, name string) error {
	return c.do(ctx, http.MethodDelete, networkPath(vni)+"/ports/"+url.PathEscape(name), nil, nil)
}

// Reload has the agent read its configuration anew, and says what that came to.
func (c *Client) Reload(ctx context.Context) (r Reloaded, err error) {
	return r, c.do(ctx, http.MethodPost, "/v1/reload", nil, &r)
}

func networkPath(vni encap.VNI) string { return fmt.Sprintf("/v1/networks/%d", vni) }

// Events calls take with each event from now on, until it returns an error, which Events
// returns, or ctx ends, or the agent does: then the error is nil. It calls ready, unless
// that is nil, once no later event can be missed.
func (c *Client) Events(ctx context.Context, ready func(), take func(Event) error) error {
	res, err := c.ask(ctx, http.MethodGet, "/v1/events", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if ready != nil {
		ready()
	}
	for d := json.NewDecoder(res.Body); ; {
		var e Event
		if d.Decode(&e) != nil { // the agent ended, or ctx did
			return nil
		}
		if err := take(e); err != nil {
			return err
		}
	}
}

// Lease is a network that is there as long as its holder.
type Lease struct {
	Network Network

	client *Client
	body   io.ReadCloser
	lines  *json.Decoder
}

// Lease asks for a network as Up does, and holds it until Close or the end of ctx, or of this
// process, however it ends.
func (c *Client) Lease(ctx context.Context, words Words) (*Lease, error) {
	res, err := c.ask(ctx, http.MethodPost, "/v1/networks?lease=true", words) //nolint:bodyclose // the lease's Close does
	if err != nil {
		return nil, err
	}
	l := &Lease{client: c, body: res.Body, lines: json.NewDecoder(res.Body)}
	if err := l.lines.Decode(&l.Network); err != nil {
		return nil, errors.Join(fmt.Errorf("read the answer of the agent on %s: %w", c.socket, err), l.Close())
	}
	return l, nil
}

// Wait returns why the network is no more: somebody took it down, its holder too, or its
// agent ended.
func (l *Lease) Wait() error {
	var f failure
	if l.lines.Decode(&f) == nil && f.Error != "" {
		return errors.New(f.Error)
	}
	return fmt.Errorf("the agent on %s ended, and network %d with it", l.client.socket, l.Network.VNI)
}

// Release lets go of the network, and returns once it is down.
func (l *Lease) Release(ctx context.Context) error {
	err := l.client.RemoveNetwork(ctx, l.Network.VNI)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoAgent) {
		err = nil // so is it then
	}
	return errors.Join(err, l.Close())
}

// Close lets go of the network, and does not wait until it is down.
func (l *Lease) Close() error { return l.body.Close() }
