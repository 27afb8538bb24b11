package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// TCP sends as much as goes through over several streams at once, and returns what
// arrived in the counted time.
func (c *Client) TCP(ctx context.Context, cfg TCPConfig) (TCPResult, error) {
	r, err := c.tcp(ctx, cfg)
	return r, c.explain(ctx, fmt.Sprintf("send over %d TCP streams", cfg.Streams), err)
}

func (c *Client) tcp(ctx context.Context, cfg TCPConfig) (TCPResult, error) {
	j, _, err := c.begin(ctx, jobTCP, 0)
	if err != nil {
		return TCPResult{}, err
	}
	defer j.close()
	streams, err := c.startStreams(ctx, cfg.Streams, j.token)
	if err != nil {
		return TCPResult{}, err
	}
	defer streams.stop()
	if err := streams.run(ctx, cfg.WarmUp); err != nil {
		return TCPResult{}, err
	}
	first, err := j.count(cfg.Mark)
	if err != nil {
		return TCPResult{}, err
	}
	if err := streams.run(ctx, cfg.Duration); err != nil {
		return TCPResult{}, err
	}
	last, err := j.count(cfg.Mark)
	if err != nil {
		return TCPResult{}, err
	}
	return TCPResult{last.Bytes - first.Bytes, time.Duration(last.Nanos - first.Nanos)}, nil
}

// count asks how many bytes have arrived.
func (j *job) count(mark func()) (count, error) {
	var n count
	err := j.ask(struct{}{}, &n)
	if mark != nil {
		mark()
	}
	return n, err
}

// streams are TCP connections that are kept full, each by a goroutine that copies the
// same block out of the cache again and again.
type streams struct {
	conns  []net.Conn
	ends   func() bool
	failed chan error // has room for each
	wg     sync.WaitGroup
}

// startStreams begins to send. When ctx ends, the streams do.
func (c *Client) startStreams(ctx context.Context, n int, token uint32) (*streams, error) {
	s := &streams{failed: make(chan error, n)}
	for range n {
		conn, err := c.dial(ctx)
		if err != nil {
			s.closeAll()
			return nil, err
		}
		s.conns = append(s.conns, conn)
	}
	s.ends = context.AfterFunc(ctx, s.closeAll)
	for _, conn := range s.conns {
		s.wg.Go(func() { s.failed <- fill(conn, token) })
	}
	return s, nil
}

// fill writes until the connection ends, and returns why it did.
func fill(conn net.Conn, token uint32) error {
	if err := json.NewEncoder(conn).Encode(request{Job: jobStream, Token: token}); err != nil {
		return err
	}
	block := make([]byte, streamBlock)
	for {
		if _, err := conn.Write(block); err != nil {
			return err
		}
	}
}

// run lets the streams flow for that long. The error says that one ended, or that ctx did.
func (s *streams) run(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-s.failed:
		return fmt.Errorf("a stream ended: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *streams) closeAll() {
	for _, conn := range s.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is under way need not arrive; the next measurement waits
		}
		conn.Close()
	}
}

func (s *streams) stop() {
	s.ends()
	s.closeAll()
	s.wg.Wait()
}
