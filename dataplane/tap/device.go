package tap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/vxtap/vxtap/encap"
)

// Device is a TAP or TUN interface that this process made, and its queues.
//
// Its methods may be called from any goroutine.
type Device struct {
	name    string
	kind    string // what to call it, TAP or TUN
	driver  string
	mac     encap.MAC
	mtu     int
	queues  []*Queue
	granted granted
	steered error      // nil if a flow stays on its queue
	moving  sync.Mutex // held by Move and SetMTU; guards granted.trainSize
	platform
}

// Open makes a TAP or TUN device and brings it up as c says. It never takes over an
// interface that exists. What it made it removes again if it fails half-way.
//
// Errors wrap [ErrExists], [ErrName], [ErrNoTUN], [ErrPermission], or
// [errors.ErrUnsupported] for what cannot be done on this system.
func Open(c Config) (*Device, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("open %s %s: %w", c.kind(), c.Name, err)
	}
	d, err := open(c.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", c.kind(), c.Name, err)
	}
	d.kind = c.kind()
	return d, nil
}

// Name returns the name that the interface was given when it was opened. Someone may
// have renamed it since, as Docker does with what it takes into a container.
func (d *Device) Name() string { return d.name }

// MAC returns the address of the interface, as the system reported it after Open; of a
// TUN, that of its Config.
func (d *Device) MAC() encap.MAC { return d.mac }

// MTU returns the MTU of the interface, as the system reported it after Open. SetMTU does not
// change what it returns.
func (d *Device) MTU() int { return d.mtu }

// Now returns the address and the MTU that the interface has by now, wherever it is; a TUN has
// no address. Wraps [errors.ErrUnsupported] where the system does not tell.
func (d *Device) Now() (mac encap.MAC, mtu int, err error) {
	if mac, mtu, err = d.now(); err != nil {
		return mac, 0, fmt.Errorf("read MAC and MTU of %s %s: %w", d.kind, d.name, err)
	}
	return mac, mtu, nil
}

// Queues returns the queues, which belong to the device and end with it.
func (d *Device) Queues() []*Queue { return d.queues }

// Driver names the driver in use, for people: "linux vnet_hdr" or "portable water".
func (d *Device) Driver() string { return d.driver }

// Drops returns how many frames were lost on their way from the system to a reader
// since the device was opened: because the kernel's ring was full, because reading them
// failed, or because they were longer than the reader's buffer. Wraps [errors.ErrUnsupported] where the system
// does not tell.
func (d *Device) Drops() (uint64, error) {
	n, err := d.kernelDrops()
	if err != nil {
		return 0, fmt.Errorf("read drops of %s %s: %w", d.kind, d.name, err)
	}
	for _, q := range d.queues {
		n += q.driver.lost()
	}
	return n, nil
}

// Move moves the interface to another network namespace, a name under /run/netns or a
// path, and gives it its addresses and routes and brings it up again there, which a move undoes.
// The queues stay here and go on working. Linux only.
//
// What others move loses that, and the kernel puts a qdisc of its own in front of the
// queues, which costs memory and no frames. Follow sees to that where it is expected; Move to
// where the interface is already does so too.
func (d *Device) Move(netns string) error {
	if err := d.move(netns); err != nil {
		return fmt.Errorf("move %s %s to network namespace %s: %w", d.kind, d.name, netns, err)
	}
	return nil
}

// SetMTU gives the interface another MTU, wherever it is, and has superframes fit one send of
// the underlay as before. The buffers of the portable driver are for the MTU that it was
// opened with: more than that wraps [errors.ErrUnsupported]. Linux only.
func (d *Device) SetMTU(mtu int) error {
	if err := d.setMTU(mtu); err != nil {
		return fmt.Errorf("set MTU %d of TAP %s: %w", mtu, d.name, err)
	}
	return nil
}

// Follow waits until somebody has brought up an interface that was left down, wherever he
// took it, and restores what moves undo. It returns the name that the interface has there.
// Linux only.
func (d *Device) Follow(ctx context.Context) (name string, err error) {
	if name, err = d.follow(ctx); err != nil {
		return "", fmt.Errorf("follow TAP %s: %w", d.name, err)
	}
	return name, nil
}

// Close removes the interface: it goes with the last call to Read or Write that is
// under way, and those that come after return [net.ErrClosed]. Descriptors must have
// been removed from a [Poller] before.
func (d *Device) Close() error {
	var errs []error
	for _, q := range d.queues {
		errs = append(errs, q.driver.close())
	}
	return errors.Join(errs...)
}
