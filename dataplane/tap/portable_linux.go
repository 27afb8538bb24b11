package tap

import (
	"errors"
	"os"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// portableDriver is what [Device.Driver] says for people.
const portableDriver = "portable water"

// openPortable makes a device of the portable driver.
func openPortable(c Config, target netns.NsHandle) (*Device, error) {
	first := firstName(c.Name, target)
	// water would attach to a persistent TAP of that name.
	if _, err := netlink.LinkByName(first); err == nil && first != "" {
		return nil, nameTaken(first, unix.EEXIST)
	}
	files, made, err := openFiles(first, c)
	if err != nil {
		return nil, err
	}
	d := &Device{driver: portableDriver, granted: nothing(errPortable)}
	d.control = func(use func(fd int) error) error { return lend(files[0], use) }
	if err := d.settle(made, c, target); err != nil {
		return nil, errors.Join(err, closeAll(files))
	}
	for i, f := range files {
		q := newPortableQueue(d.name, f, d.mtu+encap.EthernetSize+2*encap.VLANTagSize, c.skipped())
		d.queues = append(d.queues, &Queue{q})
		if i == 0 {
			d.control = func(use func(fd int) error) error { return q.control(f, use) }
		}
	}
	return d, nil
}

// openFiles has water open a file for each queue.
func openFiles(first string, c Config) (files []*os.File, name string, err error) {
	name = first
	for range c.Queues {
		f, given, err := openFile(name, c)
		if err != nil {
			return nil, "", errors.Join(err, closeAll(files))
		}
		files, name = append(files, f), given
	}
	return files, name, nil
}

func openFile(name string, c Config) (*os.File, string, error) {
	w, err := water.New(water.Config{
		DeviceType:             c.deviceType(),
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name, MultiQueue: c.Queues > 1},
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
