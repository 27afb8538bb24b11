package packet

import (
	"bytes"
	"fmt"
	"os"
)

// Linux answers for any address of the host on any interface that hears the question. One
// that is to be a port and nothing else hears those that machines behind it ask for the
// address of a TAP, and they would have two answers. So it is to answer only for addresses
// of its own (net.ipv4.conf.IF.arp_ignore), of which it has none.

// keepQuiet has an interface of the calling thread's namespace answer for its own addresses
// only, until undo is called, which is nil if that was so before. If nobody comes to call
// it, nothing is lost: without addresses it has nothing to say.
func keepQuiet(ifname string) (undo func() error, err error) {
	for _, name := range []string{"all", ifname} { // the higher one counts
		value, err := os.ReadFile(arpIgnore(name))
		if err != nil {
			return nil, err
		}
		if string(bytes.TrimSpace(value)) != "0" {
			return nil, nil
		}
	}
	// The open file is of this namespace, wherever the one who calls undo is.
	f, err := os.OpenFile(arpIgnore(ifname), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt([]byte("1"), 0); err != nil {
		f.Close()
		return nil, err
	}
	return func() error {
		defer f.Close()
		if _, err := f.WriteAt([]byte("0"), 0); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("put back arp_ignore of interface %s: %w", ifname, err)
		}
		return nil
	}, nil
}

func arpIgnore(ifname string) string { return "/proc/sys/net/ipv4/conf/" + ifname + "/arp_ignore" }
