//go:build !linux

package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

var errSystem = fmt.Errorf("measuring needs Linux, and this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Sink is where traffic ends.
type Sink struct{}

// Listen returns an error.
func Listen(Place, netip.AddrPort) (*Sink, error) { return nil, errSystem }

// Addr returns no address.
func (s *Sink) Addr() netip.AddrPort { return netip.AddrPort{} }

// Serve returns an error.
func (s *Sink) Serve(context.Context) error { return errSystem }

// Client measures the way to one sink.
type Client struct{}

// NewClient returns a client whose measurements return an error.
func NewClient(Place, netip.AddrPort) *Client { return &Client{} }

// TCP returns an error.
func (c *Client) TCP(context.Context, TCPConfig) (TCPResult, error) { return TCPResult{}, errSystem }

// UDP returns an error.
func (c *Client) UDP(context.Context, UDPConfig) (UDPResult, error) { return UDPResult{}, errSystem }

// Storm returns an error.
func Storm(context.Context, Place, StormConfig) (StormResult, error) { return StormResult{}, errSystem }

// RTT returns an error.
func (c *Client) RTT(context.Context, RTTConfig) (RTTResult, error) { return RTTResult{}, errSystem }
