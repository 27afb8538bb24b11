package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// DefaultSocket is where an agent listens unless it was told otherwise.
const DefaultSocket = "/run/vxtap/vxtap.sock"

// ErrNoAgent is returned when nobody listens on the client's socket.
var ErrNoAgent = errors.New("no vxtap agent answers")

// answerTimeout bounds the wait for an agent that accepted a connection: it may have to
// list a table of a million entries first, on a busy machine.
const answerTimeout = 10 * time.Second

// Client speaks to an agent. It keeps no connection open and needs no closing; it may
// be used from several goroutines. What the agent refused is an [*Error].
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client of the agent on the given socket. It does not connect yet.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext:           c.dial,
		DisableKeepAlives:     true, // a connection would outlive the client's last use
		ResponseHeaderTimeout: answerTimeout,
	}
	return c
}

// Node asks for a description of the node.
func (c *Client) Node(ctx context.Context) (n Node, err error) {
	return n, c.do(ctx, http.MethodGet, "/v1/node", nil, &n)
}

// Stats asks for all counters.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	return s, c.do(ctx, http.MethodGet, "/v1/stats", nil, &s)
}

// FDB asks for a network's forwarding table.
func (c *Client) FDB(ctx context.Context, vni encap.VNI) (list []FDBEntry, err error) {
	return list, c.do(ctx, http.MethodGet, fdbPath(vni), nil, &list)
}

// ChangeFDB adds, appends or replaces an entry.
func (c *Client) ChangeFDB(ctx context.Context, vni encap.VNI, change FDBChange) error {
	return c.do(ctx, http.MethodPost, fdbPath(vni), change, nil)
}

// DeleteFDB removes a MAC's entry; if dst is valid, only one that leads there.
func (c *Client) DeleteFDB(ctx context.Context, vni encap.VNI, mac encap.MAC, dst netip.AddrPort) error {
	q := url.Values{"mac": {mac.String()}}
	if dst.IsValid() {
		q.Set("dst", dst.Addr().String())
	}
	if dst.Port() != 0 {
		q.Set("dst_port", strconv.Itoa(int(dst.Port())))
	}
	return c.do(ctx, http.MethodDelete, fdbPath(vni)+"?"+q.Encode(), nil, nil)
}

// FlushFDB removes the entries that the filter names, and says how many.
func (c *Client) FlushFDB(ctx context.Context, vni encap.VNI, filter FDBFlush) (int, error) {
	var flushed FDBFlushed
	err := c.do(ctx, http.MethodPost, fdbPath(vni)+"/flush", filter, &flushed)
	return flushed.Removed, err
}

// Keys asks how the node stands with its peers in sealed networks.
func (c *Client) Keys(ctx context.Context) (k Keys, err error) {
	return k, c.do(ctx, http.MethodGet, "/v1/keys", nil, &k)
}

// RotateKeys asks for new keys, and says with how many peers.
func (c *Client) RotateKeys(ctx context.Context, which KeysRotate) (int, error) {
	var rotated KeysRotated
	err := c.do(ctx, http.MethodPost, "/v1/keys/rotate", which, &rotated)
	return rotated.Peers, err
}

func fdbPath(vni encap.VNI) string { return fmt.Sprintf("/v1/networks/%d/fdb", vni) }

// do sends a request with an optional body and reads the answer into an optional
// destination.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	res, err := c.ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		return fmt.Errorf("read the answer of the agent on %s: %w", c.socket, err)
	}
	return nil
}

// ask sends a request with an optional body. The body of its answer, which is no refusal,
// is the caller's to read and close.
func (c *Client) ask(ctx context.Context, method, path string, body any) (*http.Response, error) {
	if err := checkPath(c.socket); err != nil {
		return nil, err
	}
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request %s %s: %w", method, path, err)
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://vxtap"+path, send)
	if err != nil {
		return nil, fmt.Errorf("make request %s %s: %w", method, path, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, c.refusal(res)
	}
	return res, nil
}

// refusal reads the error that an agent answered.
func (c *Client) refusal(res *http.Response) error {
	var f failure
	err := json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&f)
	if err != nil || f.Error == "" {
		return fmt.Errorf("what answers on %s is no vxtap agent: HTTP status %s", c.socket, res.Status)
	}
	return &Error{Status: res.StatusCode, Message: f.Error}
}

// explain says what a failed exchange means for the user.
func (c *Client) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without method and URL, which nobody typed
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: start one with vxtap up, or name its socket with --socket", ErrNoAgent, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied: become root, or a member of the socket's group", c.socket)
	case isHangup(err):
		return fmt.Errorf("%w on %s any more: it ended before it did", ErrNoAgent, c.socket)
	case isTimeout(err):
		pid, _ := probe(c.socket) // the kernel tells, also of a process that is stopped
		return fmt.Errorf("the agent on %s%s does not answer: see whether it is stopped: %w", c.socket, inParentheses(pid), err)
	}
	return fmt.Errorf("ask the agent on %s: %w", c.socket, err)
}

// errHangup is what reading from a connection returns that the agent closed before it
// answered. To net/http, io.EOF of its own would be the end of an idle connection.
var errHangup = fmt.Errorf("closed before an answer: %w", io.EOF)

// answerConn is a connection on which an answer is due.
type answerConn struct {
	net.Conn
	begun bool // the answer has; only the reader knows
}

// Read implements net.Conn.
func (c *answerConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.begun = c.begun || n > 0
	if errors.Is(err, io.EOF) && !c.begun {
		err = errHangup
	}
	return n, err
}

// isHangup reports whether the agent took the connection and closed it before it answered.
func isHangup(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isTimeout reports whether an agent let us wait for too long, be it for the connection,
// which it need not even accept, or for the answer.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, syscall.EAGAIN) // as many connections wait as the kernel keeps
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		return nil, err
	}
	return &answerConn{Conn: conn}, nil
}
