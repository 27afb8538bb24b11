package tap

import (
	"context"
	"net"
	"time"

	"github.com/vishvananda/netlink"
)

// followPoll is how often an interface is looked at that is to be taken to a container. The
// kernel tells of a move and of a link that comes up only in the namespaces where they
// happen, of which the second is not known.
const followPoll = 20 * time.Millisecond

func (d *Device) follow(ctx context.Context) (name string, err error) {
	tick := time.NewTicker(followPoll)
	defer tick.Stop()
	for {
		name, up, err := d.resettle()
		if up || err != nil {
			return name, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// resettle gives the interface, if it is up, the qdisc and the limits again that it had
// before it was moved.
func (d *Device) resettle() (name string, up bool, err error) {
	name, ns, err := d.whereabouts()
	if err != nil {
		return "", false, err
	}
	defer ns.Close()
	err = inNamespace(ns, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return nil // renamed just now
		}
		if up = link.Attrs().Flags&net.FlagUp != 0; !up {
			return nil
		}
		d.moving.Lock()
		defer d.moving.Unlock()
		d.limitSuperframes(link)
		return leaveOutQdisc(link)
	})
	return name, up, err
}
