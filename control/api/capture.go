package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// CaptureStage is where on its way a frame is captured.
type CaptureStage string

// The stages.
const (
	CaptureTap     CaptureStage = "tap"     // frames as read from ports and written to them
	CaptureWire    CaptureStage = "wire"    // datagrams as sent and received
	CaptureDropped CaptureStage = "dropped" // frames that went nowhere, with the reason
)

// CaptureStages are all that there are.
var CaptureStages = []CaptureStage{CaptureTap, CaptureWire, CaptureDropped}

// Capture says what to capture.
type Capture struct {
	VNI     encap.VNI      `json:"vni,omitempty"`     // 0 means all networks
	Remote  netip.Addr     `json:"remote,omitzero"`   // of the only VTEP; none means any
	Stages  []CaptureStage `json:"stages,omitempty"`  // none means tap
	Filter  string         `json:"filter,omitempty"`  // as tcpdump's; empty means all
	SnapLen int            `json:"snaplen,omitempty"` // bytes that are kept of each at most; 0 means all
}

// Capturer captures frames.
type Capturer interface {
	// Capture begins to capture. The function that it returns is called once; it writes a
	// pcapng section to out, and calls flush when there is nothing more for now, until ctx
	// ends or out fails.
	Capture(what Capture) (run func(ctx context.Context, out io.Writer, flush func() error) error, err error)
}

// written is the answer of an action that has written it by itself.
type written struct{}

// captureTimeout bounds the wait for a caller who does not read: one that stopped must not
// keep a capture running for ever.
const captureTimeout = 2 * time.Minute

func (h handler) capture(w http.ResponseWriter, r *http.Request) (any, error) {
	what, err := decodeBody(w, r, decodeCapture)
	if err != nil {
		return nil, err
	}
	run, err := h.backend.Capture(what)
	if err != nil {
		return nil, err
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // or its passing would look like a hang-up
	w.Header().Set("Content-Type", "application/x-pcapng")
	flush := func() error {
		_ = control.SetWriteDeadline(time.Now().Add(captureTimeout))
		return control.Flush()
	}
	_ = flush() // the caller waits for the header
	_ = run(r.Context(), w, flush)
	return written{}, nil // a caller who hung up has what it wanted
}

func decodeCapture(body []byte) (c Capture, err error) {
	if err := decode(body, &c); err != nil {
		return Capture{}, err
	}
	for _, s := range c.Stages {
		if !slices.Contains(CaptureStages, s) {
			return Capture{}, invalid("bad stage %q: want tap, wire or dropped", s)
		}
	}
	switch {
	case c.VNI != 0 && !c.VNI.Valid():
		return Capture{}, invalid("bad vni %d: want a number from 1 to %d", c.VNI, encap.MaxVNI)
	case c.SnapLen < 0:
		return Capture{}, invalid("bad snaplen %d: want a number of bytes, or 0 for all", c.SnapLen)
	}
	c.Remote = c.Remote.Unmap().WithZone("")
	return c, nil
}

// CaptureStream is a pcapng section that comes from an agent.
type CaptureStream struct {
	io.ReadCloser
	conn *net.UnixConn
}

// Stop asks the agent to end the capture. The section is then to be read to its end.
func (s *CaptureStream) Stop() error { return s.conn.CloseWrite() }

// Capture asks for a capture that goes on until it is stopped or closed, or ctx or the
// agent end. The caller closes it.
func (c *Client) Capture(ctx context.Context, what Capture) (*CaptureStream, error) {
	var s CaptureStream
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if conn, ok := i.Conn.(*answerConn); ok {
			s.conn, _ = conn.Conn.(*net.UnixConn)
		}
	}})
	res, err := c.ask(ctx, http.MethodPost, "/v1/capture", what) //nolint:bodyclose // the caller closes it, as the stream
	if err != nil {
		return nil, err
	}
	s.ReadCloser = res.Body
	return &s, nil
}
