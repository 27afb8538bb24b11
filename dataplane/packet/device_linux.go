package packet

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// open makes the device in the calling thread's network namespace.
func open(c Config) (*Device, error) {
	w, err := find(c.Interface, c.Locals)
	if err != nil {
		return nil, err
	}
	a := w.link.Attrs()
	d := &Device{name: c.Interface, index: a.Index, mtu: a.MTU, closing: make(chan struct{})}
	copy(d.mac[:], a.HardwareAddr)
	offloads := encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO
	if c.NoOffload {
		offloads, d.offload = 0, errSwitchedOff
	}
	for range c.Queues {
		fd, err := openSocket()
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.queues = append(d.queues, newQueue(d, fd, w, offloads))
	}
	if err := d.attach(w); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// attach puts the sockets on the wire.
func (d *Device) attach(w wire) error {
	down, err := w.bringUp()
	if err != nil {
		return err
	}
	if down {
		d.notes = append(d.notes, fmt.Sprintf("interface %s was down, and was brought up", w.link.Attrs().Name))
	}
	own, err := w.owned()
	if err != nil {
		return err
	}
	switch {
	case own != "":
		d.notes = append(d.notes, own)
	case w.vlan == 0:
		d.keepQuiet(w.link.Attrs().Name)
	}
	if short := shortBuffer(d.queues[0].fd); short != "" { // all are alike
		d.notes = append(d.notes, short)
	}
	index := w.link.Attrs().Index
	if err := promiscuous(d.queues[0].fd, index); err != nil {
		return err
	}
	fds := make([]int, len(d.queues))
	for i, q := range d.queues {
		fds[i] = q.fd
		if err := bind(q.fd, index); err != nil {
			return err
		}
	}
	return d.listen(fds, w.vlan)
}

// keepQuiet has the host not answer at the interface for its other addresses, or notes that
// it does.
func (d *Device) keepQuiet(ifname string) {
	var err error
	if d.undo, err = keepQuiet(ifname); err != nil {
		d.notes = append(d.notes, fmt.Sprintf("interface %s answers for all IPv4 addresses of this host, that of a TAP too (net.ipv4.conf.%s.arp_ignore cannot be set: %v)", ifname, ifname, err))
	}
}

// listen lets frames in, once all sockets are where they are to be: until then each would
// have had all of them.
func (d *Device) listen(fds []int, vlan uint16) error {
	if len(fds) > 1 {
		var err error
		if fds, err = d.share(fds); err != nil {
			return err
		}
	}
	for _, fd := range fds {
		if err := setFilter(fd, wanted(vlan)); err != nil {
			return err
		}
	}
	return nil
}

// share has frames shared among the sockets. If the kernel knows of no such thing the first
// has them alone.
func (d *Device) share(fds []int) (listening []int, err error) {
	group, err := openGroup(fds[0])
	if err != nil {
		d.steered = fmt.Errorf("all frames are read from one queue: %w", err)
		return fds[:1], nil
	}
	for _, fd := range fds[1:] {
		if err := join(fd, group, 0); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

// isGone reports whether the interface of a socket is.
func isGone(fd int) bool {
	at, err := unix.Getsockname(fd)
	l, ok := at.(*unix.SockaddrLinklayer)
	return err == nil && ok && l.Ifindex < 1 // packet_notifier makes it -1
}

// isUp reports whether it is up.
func isUp(fd int) bool {
	at, err := unix.Getsockname(fd)
	l, ok := at.(*unix.SockaddrLinklayer)
	if err != nil || !ok {
		return false
	}
	req, err := unix.NewIfreq("")
	if err != nil {
		return false
	}
	req.SetUint32(uint32(l.Ifindex))
	if unix.IoctlIfreq(fd, unix.SIOCGIFNAME, req) != nil || unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req) != nil {
		return false
	}
	return req.Uint16()&unix.IFF_UP != 0
}
