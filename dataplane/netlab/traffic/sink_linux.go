package traffic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// requestPatience is how long a new connection may take to say what it is for.
const requestPatience = 10 * time.Second

// Sink is where traffic ends. It serves any number of clients.
type Sink struct {
	place Place
	ln    net.Listener

	mu      sync.Mutex
	streams map[uint32]*atomic.Int64 // bytes by token of their tcp job
}

// Listen returns a sink that listens at addr. Its sockets for UDP have other ports, which
// the kernel chooses.
func Listen(place Place, addr netip.AddrPort) (*Sink, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // what is measured is to be plain TCP
	s := &Sink{place: place, streams: make(map[uint32]*atomic.Int64)}
	err := place(func() (err error) {
		s.ln, err = config.Listen(context.Background(), "tcp", addr.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for measurements at %v: %w", addr, err)
	}
	return s, nil
}

// Addr is where the sink listens.
func (s *Sink) Addr() netip.AddrPort {
	return unmapped(s.ln.Addr().(*net.TCPAddr).AddrPort())
}

// Serve does what clients ask for until ctx ends, which is no error. What it started has
// ended when it returns.
func (s *Sink) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept a measurement: %w", errors.Join(err, s.ln.Close()))
		}
		jobs.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			s.serve(conn)
		})
	}
}

// serve does one job. What goes wrong is told to the client; if it is gone, so is the job.
func (s *Sink) serve(conn net.Conn) {
	c := newControl(conn)
	var r request
	_ = conn.SetReadDeadline(time.Now().Add(requestPatience))
	if err := c.dec.Decode(&r); err != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	var err error
	switch r.Job {
	case jobTCP:
		err = s.countStreams(c, r)
	case jobStream:
		err = s.drain(conn, r)
	case jobUDP:
		err = s.countDatagrams(c, r)
	case jobEcho:
		err = s.echo(c, r)
	default:
		err = fmt.Errorf("unknown job %q: the sink is of another version", r.Job)
	}
	if err != nil {
		_ = c.enc.Encode(ready{Err: err.Error()})
	}
}

// control is a control connection.
type control struct {
	net.Conn
	enc *json.Encoder
	dec *json.Decoder
}

func newControl(conn net.Conn) *control {
	return &control{conn, json.NewEncoder(conn), json.NewDecoder(conn)}
}

// end returns when the other end is gone.
func (c *control) end() {
	_, _ = io.Copy(io.Discard, c.Conn)
}

// local is the address at which the client reached the sink.
func (c *control) local() netip.Addr {
	return unmapped(c.LocalAddr().(*net.TCPAddr).AddrPort()).Addr()
}
