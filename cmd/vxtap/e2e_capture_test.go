//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// startCapture runs vxtap capture beside an agent, and waits until it captures.
func (c *child) startCapture(h *netlab.Host, args ...string) *child {
	c.t.Helper()
	x := launch(c.t, h, c.socket, append([]string{"capture"}, args...)...)
	x.waitLog("Ctrl-C ends it")
	return x
}

// interrupt ends it as Ctrl-C does, and expects it to end well.
func (c *child) interrupt() {
	c.t.Helper()
	check(c.t, c.cmd.Process.Signal(os.Interrupt))
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitDone {
		c.t.Errorf("vxtap capture ended with %v after Ctrl-C", c.cmd.ProcessState)
	}
}

// captured is a packet of a capture.
type captured struct {
	gopacket.Packet
	where string // name of the interface
}

// readCapture returns the packets of a file, as somebody else reads it.
func readCapture(t *testing.T, data []byte) (list []captured) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	check(t, err)
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return list
		}
		check(t, err)
		i, err := r.Interface(info.InterfaceIndex)
		check(t, err)
		list = append(list, captured{gopacket.NewPacket(data, i.LinkType, gopacket.Default), i.Name})
	}
}

func isPing(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeICMPv4) != nil }

// A ping is seen at the port and on the wire, there and back, and not by another filter.
func TestCaptureOfAPing(t *testing.T) {
	t.Parallel()
	a, _, v := startPair(t, families[0], netlab.LinkConfig{})
	file := filepath.Join(t.TempDir(), "ping.pcapng")
	all := v.startCapture(a, "--stage", "tap", "--stage", "wire", "--network", "42", "--remote", families[0].b, "-w", file)
	echo := v.startCapture(a, "--filter", "icmp")
	none := v.startCapture(a, "--filter", "tcp port 80")
	ping(t, a, innerB)
	for _, c := range []*child{all, echo, none} {
		c.interrupt()
		c.waitLog(" frames captured, 0 missed")
	}
	data, err := os.ReadFile(file)
	check(t, err)
	seen := map[string]int{}
	for _, p := range readCapture(t, data) {
		if !isPing(p) {
			continue
		}
		seen[p.where]++
		if p.where != "wire" {
			continue
		}
		udp, vxlan := p.Layer(layers.LayerTypeUDP), p.Layer(layers.LayerTypeVXLAN)
		if udp == nil || vxlan == nil || vxlan.(*layers.VXLAN).VNI != 42 {
			t.Errorf("on the wire: %v", p)
		} else if u := udp.(*layers.UDP); u.DstPort != 4789 || u.SrcPort < 32768 || u.Checksum == 0 {
			t.Errorf("outer header %+v", u)
		}
	}
	if seen["vx42"] < 2 || seen["wire"] != seen["vx42"] || len(seen) != 2 {
		t.Errorf("packets of pings seen: %v", seen)
	}
	for _, p := range readCapture(t, echo.stdout.Bytes()) {
		if !isPing(p) {
			t.Errorf("taken as icmp: %v", p)
		}
	}
	if n := len(readCapture(t, none.stdout.Bytes())); n != 0 {
		t.Errorf("%d packets taken as tcp port 80", n)
	}
}

// What is captured of a transfer is it, and the transfer does not notice.
func TestCaptureOfATransfer(t *testing.T) {
	t.Parallel()
	a, b, v := startPair(t, families[1], netlab.LinkConfig{})
	file := filepath.Join(t.TempDir(), "tcp.pcapng")
	c := v.startCapture(a, "--filter", "tcp", "--snaplen", "200", "-w", file)
	_, err := netlab.Transfer(within(t), a, b, netip.AddrPortFrom(ip(innerB), 0), netlab.TransferConfig{Bytes: 16 << 20})
	check(t, err)
	c.interrupt()
	nothingLost(t, v)
	data, err := os.ReadFile(file)
	check(t, err)
	n := 0
	for _, p := range readCapture(t, data) {
		if p.Layer(layers.LayerTypeTCP) == nil || len(p.Data()) > 200 {
			t.Fatalf("captured %d bytes: %v", len(p.Data()), p)
		}
		n++
	}
	if n < 20 {
		t.Errorf("%d packets", n)
	}
}

// However its file ends, the capture says so, and the agent goes on.
func TestCaptureEndsCleanly(t *testing.T) {
	t.Parallel()
	a, _, v := startPair(t, families[0], netlab.LinkConfig{})
	t.Run("disk full", func(t *testing.T) {
		c := launch(t, a, v.socket, "capture", "-w", "/dev/full")
		c.waitExit()
		if code := c.cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(c.log.String(), "the capture ends early: write /dev/full: no space left on device") {
			t.Errorf("exit code %d: %s", code, &c.log)
		}
	})
	t.Run("closed pipe", func(t *testing.T) {
		self, err := os.Executable()
		check(t, err)
		r, w, err := os.Pipe()
		check(t, err)
		cmd := exec.Command(self, "capture")
		cmd.Env = append(os.Environ(), childEnv+"=1", "VXTAP_SOCKET="+v.socket)
		var log bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &log
		check(t, r.Close())
		check(t, a.Start(cmd))
		check(t, w.Close())
		if err := cmd.Wait(); err != nil || !strings.Contains(log.String(), "who read the capture has closed it") {
			t.Errorf("%v: %s", err, &log)
		}
	})
	t.Run("agent ends", func(t *testing.T) {
		c := v.startCapture(a, "--stage", "dropped")
		v.stop()
		c.waitExit()
		if code := c.cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(c.log.String(), "ended, and the capture with it") {
			t.Errorf("exit code %d: %s", code, &c.log)
		}
		if code := c.cmd.ProcessState.Sys().(syscall.WaitStatus); code.Signaled() {
			t.Errorf("ended by %v", code.Signal())
		}
		readCapture(t, c.stdout.Bytes())
	})
}
