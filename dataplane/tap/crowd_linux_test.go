package tap_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// crowd is a device on whose one queue frames crowd.
type crowd struct {
	*host
	d      *tap.Device
	bufs   [64][]byte
	frames [64]encap.Frame
	sent   uint32
}

// eachCrowd runs a test for a TAP and a TUN.
func eachCrowd(t *testing.T, test func(t *testing.T, c *crowd)) {
	for _, tun := range []bool{false, true} {
		t.Run(fmt.Sprintf("TUN=%t", tun), func(t *testing.T) {
			c := &crowd{host: newHost(t)}
			open := c.open
			if tun {
				open = c.openTUN
			}
			c.d = open(tap.Config{})
			for i := range c.bufs {
				c.bufs[i] = make([]byte, encap.ReadBuffer)
			}
			test(t, c)
		})
	}
}

// socket returns one that is connected to an address behind the device.
func (c *crowd) socket() int {
	fd := -1
	c.do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: 7001, Addr: ourUDP4.Addr().As4()})
	})
	c.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// send sends n datagrams of different lengths that say their number.
func (c *crowd) send(fd, n int) error {
	for range n {
		b := binary.BigEndian.AppendUint32([]byte("number "), c.sent)
		if _, err := unix.Write(fd, append(b, make([]byte, c.sent%7*200)...)); err != nil {
			return err
		}
		c.sent++
	}
	return nil
}

// read takes a batch.
func (c *crowd) read() ([]encap.Frame, error) {
	for i := range c.frames {
		c.frames[i] = encap.Frame{Data: c.bufs[i]}
	}
	n, err := c.d.Queues()[0].Read(c.frames[:])
	return c.frames[:n], err
}

// last points to the end of a buffer's memory.
func last(b []byte) *byte { return &b[:cap(b)][cap(b)-1] }

// TestCrowdedQueue: in batches each frame comes once, whole, in its own buffer, and in order.
func TestCrowdedQueue(t *testing.T) {
	eachCrowd(t, func(t *testing.T, c *crowd) {
		fd := c.socket()
		const datagrams = 500
		if err := c.send(fd, datagrams); err != nil {
			t.Fatal(err)
		}
		full := 0
		for want := uint32(0); want < datagrams; {
			frames, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			if len(frames) == len(c.frames) {
				full++
			}
			for i := range frames {
				f := &frames[i]
				l, ok := carries(f, encap.ProtoUDP, ourUDP4.Addr())
				if !ok || string(f.Data[l.Payload:][:7]) != "number " {
					continue
				}
				got := binary.BigEndian.Uint32(f.Data[l.Payload+7:])
				if got != want || l.End-l.Payload != int(11+want%7*200) {
					t.Fatalf("number %d in %d bytes, want %d", got, l.End-l.Payload, want)
				}
				if !encap.CompleteChecksum(f.Data, f.Offload) || encap.VerifyChecksum(f.Data, &l) != encap.ChecksumValid {
					t.Fatalf("number %d: bad checksum", got)
				}
				if last(f.Data) != last(c.bufs[i]) {
					t.Fatalf("number %d is not in its buffer", got)
				}
				want++
			}
		}
		if full < 5 {
			t.Errorf("%d full batches", full)
		}
		for _, f := range c.d.Features() {
			if f.Name == tap.FeatureReadBursts && f.Err != nil {
				t.Errorf("no bursts: %v", f.Err)
			}
		}
	})
}

// TestCrowdedQueueEnds, whether it is closed or somebody removes the interface.
func TestCrowdedQueueEnds(t *testing.T) {
	for name, end := range map[string]func(c *crowd) error{
		"closed": func(c *crowd) error { return c.d.Close() },
		"removed": func(c *crowd) error {
			link := c.link("vx42")
			c.do(func() error { return netlink.LinkDel(link) })
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachCrowd(t, func(t *testing.T, c *crowd) {
				fd := c.socket()
				if err := c.send(fd, 2000); err != nil {
					t.Fatal(err)
				}
				stop, sent, crowded, ended := make(chan struct{}), make(chan struct{}), make(chan struct{}, 100), make(chan error, 1)
				go func() {
					defer close(sent)
					for {
						select {
						case <-stop:
							return
						default:
							_ = c.send(fd, 1) // there may be no way any more
						}
					}
				}()
				go func() {
					for {
						frames, err := c.read()
						if err != nil {
							ended <- err
							return
						}
						if len(frames) == len(c.frames) {
							select {
							case crowded <- struct{}{}:
							default:
							}
						}
					}
				}()
				for range 3 {
					<-crowded
				}
				if err := end(c); err != nil {
					t.Error(err)
				}
				if err := <-ended; !errors.Is(err, net.ErrClosed) {
					t.Errorf("ended with %v", err)
				}
				close(stop)
				<-sent
			})
		})
	}
}
