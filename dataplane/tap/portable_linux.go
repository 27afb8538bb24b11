package tap

import (
	"errors"
	"os"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// portableDriver is what [Device.Driver] says for people.
const portableDriver = "portable water"

// openPortable makes a device of the portable driver, in this thread's namespace.
func openPortable(c Config) (*Device, error) {
	// water would attach to a persistent TAP of that name.
	if _, err := netlink.LinkByName(c.Name); err == nil && c.Name != "" {
		return nil, nameTaken(c.Name, unix.EEXIST)
	}
	files, name, err := openFiles(c)
	if err != nil {
		return nil, err
	}
	mac, mtu, err := setUpLink(name, c)
	if err != nil {
		return nil, errors.Join(err, closeAll(files))
	}
	d := &Device{name: name, driver: portableDriver, mac: mac, mtu: mtu, granted: nothing(errPortable)}
	d.addresses = c.Addresses
	for i, f := range files {
		q := newPortableQueue(name, f, mtu+encap.EthernetSize+2*encap.VLANTagSize)
		d.queues = append(d.queues, &Queue{q})
		if i == 0 {
			d.control = func(use func(fd int) error) error { return q.control(f, use) }
		}
	}
	return d, nil
}

// openFiles has water open a file for each queue.
func openFiles(c Config) (files []*os.File, name string, err error) {
	name = c.Name
	for range c.Queues {
		f, given, err := openFile(name, c.Queues > 1)
		if err != nil {
			return nil, "", errors.Join(err, closeAll(files))
		}
		files, name = append(files, f), given
	}
	return files, name, nil
}

func openFile(name string, multi bool) (*os.File, string, error) {
	w, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name, MultiQueue: multi},
	})
	if err != nil {
		// water says which of its two steps failed by this type only.
		if ioctl := new(os.SyscallError); errors.As(err, &ioctl) {
			return nil, "", attachError(name, err)
		}
		return nil, "", openError(err)
	}
	f, ok := w.ReadWriteCloser.(*os.File)
	if !ok {
		return nil, "", errors.Join(errors.New("water did not open a file"), w.Close())
	}
	// water leaves it open to child processes, in which the interface would live on.
	err = lend(f, func(fd int) error {
		unix.CloseOnExec(fd)
		return nil
	})
	return f, w.Name(), err
}

// control lends the descriptor of the queue's file to use.
func (q *portableQueue) control(f *os.File, use func(fd int) error) error {
	err := lend(f, use)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil && q.shut {
		return closedError(q.name) // the file has no error of its own for that
	}
	return err
}

// lend lends the descriptor of f to use.
func lend(f *os.File, use func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = use(int(fd)) })
	return errors.Join(err, failed)
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
