//go:build !linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
)

// Network namespaces are Linux's. Elsewhere the package compiles, so that commands that
// use it do, and New returns the one error that all of it returns.

var errSystem = fmt.Errorf("hosts made of network namespaces need Linux, and this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Lab is a set of hosts and what is between them.
type Lab struct{}

// Host is a network namespace.
type Host struct{}

// Capture is a recording of an interface.
type Capture struct{}

// New returns an error.
func New(string) (*Lab, error) { return nil, errSystem }

// Inside returns an error.
func Inside(string, func() error) error { return errSystem }

// Host returns an error.
func (l *Lab) Host(string) (*Host, error) { return nil, errSystem }

// Switch returns an error.
func (l *Lab) Switch(string) (*Host, error) { return nil, errSystem }

// Link returns an error.
func (l *Lab) Link(*Host, string, *Host, string, LinkConfig) error { return errSystem }

// Plug returns an error.
func (l *Lab) Plug(*Host, string, *Host, string, LinkConfig) error { return errSystem }

// Segment returns an error.
func (l *Lab) Segment([]*Host, netip.Prefix) ([]netip.Addr, error) { return nil, errSystem }

// Close does nothing.
func (l *Lab) Close() error { return nil }

// Name returns "".
func (h *Host) Name() string { return "" }

// Path returns "".
func (h *Host) Path() string { return "" }

// Do returns an error.
func (h *Host) Do(func() error) error { return errSystem }

// Netlink returns nil.
func (h *Host) Netlink() *netlink.Handle { return nil }

// Start returns an error.
func (h *Host) Start(*exec.Cmd) error { return errSystem }

// AddAddress returns an error.
func (h *Host) AddAddress(string, netip.Prefix) error { return errSystem }

// DeleteLink returns an error.
func (h *Host) DeleteLink(string) error { return errSystem }

// WaitUp returns an error.
func (h *Host) WaitUp(context.Context, string) error { return errSystem }

// Offload returns an error.
func (h *Host) Offload(string, map[string]bool) error { return errSystem }

// Features returns an error.
func (h *Host) Features(string) (map[string]bool, error) { return nil, errSystem }

// SetUnderlay returns an error.
func (h *Host) SetUnderlay(string, Underlay) error { return errSystem }

// KernelVXLAN returns an error.
func (h *Host) KernelVXLAN(VXLANConfig) error { return errSystem }

// SNMP returns an error.
func (h *Host) SNMP() (map[string]uint64, error) { return nil, errSystem }

// DialContext returns an error.
func (h *Host) DialContext(context.Context, string, string) (net.Conn, error) { return nil, errSystem }

// Listen returns an error.
func (h *Host) Listen(string, string) (net.Listener, error) { return nil, errSystem }

// ListenPacket returns an error.
func (h *Host) ListenPacket(string, string) (net.PacketConn, error) { return nil, errSystem }

func (h *Host) listenICMP(netip.Addr) (net.PacketConn, error) { return nil, errSystem }

func (h *Host) zoneIndex(addr netip.Addr) (netip.Addr, error) { return addr, errSystem }

// Capture returns an error.
func (h *Host) Capture(string, func(Frame) bool) (*Capture, error) { return nil, errSystem }

// Frames returns nothing.
func (c *Capture) Frames() []Frame { return nil }

// Wait returns an error.
func (c *Capture) Wait(context.Context, func(Frame) bool) (Frame, error) { return Frame{}, errSystem }

// Dropped returns an error.
func (c *Capture) Dropped() (uint64, error) { return 0, errSystem }

// Close does nothing.
func (c *Capture) Close() error { return nil }
