package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

const (
	dialPatience   = 5 * time.Second  // for a connection to the sink
	answerPatience = 10 * time.Second // for its answer, over a path that may be full
)

// Client measures the way to one sink. It holds nothing open between measurements, which
// may run side by side.
type Client struct {
	place Place
	sink  netip.AddrPort
}

// NewClient returns a client that sends from a place to the sink at addr.
func NewClient(place Place, addr netip.AddrPort) *Client {
	return &Client{place, addr}
}

// job is one measurement: its control connection, and how to watch it.
type job struct {
	*control
	token uint32
	stop  func() bool
}

// Errors of a job that ctx ended are mostly about a closed connection; explain sees to it
// that they say what happened instead.

// begin asks the sink for a job. When ctx ends, its connection does.
func (c *Client) begin(ctx context.Context, kind string, flows int) (*job, []uint16, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	j := &job{control: newControl(conn), token: rand.Uint32()}
	j.stop = context.AfterFunc(ctx, func() { conn.Close() })
	var r ready
	if err := j.ask(request{Job: kind, Token: j.token, Flows: flows}, &r); err != nil {
		j.close()
		return nil, nil, err
	}
	if r.Err != "" {
		j.close()
		return nil, nil, fmt.Errorf("sink: %s", r.Err)
	}
	return j, r.Ports, nil
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialPatience}
	dialer.SetMultipathTCP(false)
	var conn net.Conn
	err := c.place(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", c.sink.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reach the sink: %w", err)
	}
	return conn, nil
}

// ask sends a line and waits for the answer.
func (j *job) ask(question, answer any) error {
	if err := j.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		return err
	}
	if err := j.enc.Encode(question); err != nil {
		return fmt.Errorf("tell the sink: %w", err)
	}
	if err := j.dec.Decode(answer); err != nil {
		return fmt.Errorf("hear from the sink: %w", err)
	}
	return nil
}

func (j *job) close() {
	j.stop()
	j.Conn.Close()
}

// explain is how a measurement ended. When ctx ended, that is why, whatever else failed.
func (c *Client) explain(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = ctx.Err()
	}
	return fmt.Errorf("%s to %v: %w", what, c.sink, err)
}
