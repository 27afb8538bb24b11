package packet

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vxtap/vxtap/encap"
)

// Device is an interface of the system that is read and written here, and its queues.
//
// Its methods may be called from any goroutine.
type Device struct {
	name    string
	index   int
	mac     encap.MAC
	mtu     int
	notes   []string
	queues  []*Queue
	steered error // nil if all queues are read from
	offload error // nil if offloads are wanted

	closing chan struct{} // closed by Close
	undo    func() error  // what was changed of the interface; nil if nothing was
	once    sync.Once
	watches sync.WaitGroup // over an interface that is down
}

// Open makes a port of the interface that c names, and brings it up if it is down. An
// interface without addresses does not answer for those of others (arp_ignore) until Close.
// Nothing else of it is changed, and nothing is left after Close but that it stays up.
//
// Errors wrap [ErrNotFound], [ErrUnfit], [ErrPermission], or [errors.ErrUnsupported] where
// the system is not Linux.
func Open(c Config) (*Device, error) {
	err := c.check()
	if err == nil {
		c.Queues = max(c.Queues, 1)
		var d *Device
		if d, err = open(c); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("open interface %s: %w", c.Interface, err)
}

// Name returns the name that Open was given.
func (d *Device) Name() string { return d.name }

// MAC returns the address of the interface. It is the system's, not that of a machine
// behind it.
func (d *Device) MAC() encap.MAC { return d.mac }

// MTU returns the MTU of the interface as it was when it was opened.
func (d *Device) MTU() int { return d.mtu }

// Index returns the system's number of the interface.
func (d *Device) Index() int { return d.index }

// MTUChanged says that the interface has another MTU by now. Frames are the system's to refuse;
// but of the segments of a superframe it would say nothing.
func (d *Device) MTUChanged(mtu int) {
	for _, q := range d.queues {
		q.setMTU(mtu)
	}
}

// Driver names the driver, for people.
func (d *Device) Driver() string { return "linux packet" }

// Queues returns the queues, which belong to the device and end with it.
func (d *Device) Queues() []*Queue { return d.queues }

// Notes is what a user ought to know about the interface as it was found, each in one
// line: that it was down, that it has addresses of the system's own.
func (d *Device) Notes() []string { return d.notes }

// Drops returns how many frames were lost on their way from the wire to a reader since the
// device was opened: because a socket's buffer was full, because reading them failed, or
// because they were longer than the reader's buffer.
func (d *Device) Drops() (uint64, error) {
	var n uint64
	for _, q := range d.queues {
		lost, err := q.lost()
		if err != nil {
			return 0, fmt.Errorf("read drops of interface %s: %w", d.name, err)
		}
		n += lost
	}
	return n, nil
}

// Close ends the promiscuity and the queues: calls that come after return
// [net.ErrClosed]. Descriptors must have been removed from a poller before.
func (d *Device) Close() error {
	var errs []error
	d.once.Do(func() {
		close(d.closing)
		if d.undo != nil {
			errs = append(errs, d.undo())
		}
	})
	for _, q := range d.queues {
		errs = append(errs, q.close())
	}
	d.watches.Wait()
	return errors.Join(errs...)
}
