package tap

import (
	"errors"
	"fmt"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// offers are what to ask the kernel to leave undone on the frames that we read, the best
// first: it refuses a set that it does not know in full. USO came with Linux 6.2, for
// both families or for none. Without TSO_ECN it cuts superframes with CWR itself.
var offers = [...]struct {
	flags int
	set   encap.OffloadSet
}{
	{offerTSO | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6, encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO},
	{offerTSO | unix.TUN_F_TSO_ECN, encap.OffloadCSUM | encap.OffloadTSO},
	{offerTSO, encap.OffloadCSUM | encap.OffloadTSO},
	{unix.TUN_F_CSUM, encap.OffloadCSUM},
}

const offerTSO = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6

// errSwitchedOff is why a feature is not in force that the user does not want.
var errSwitchedOff = errors.New("switched off by --offload")

// setOffloads prepares fd for virtio headers and asks for offloads, unless they are not
// wanted.
func setOffloads(fd int, off bool) (granted, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetHeaderSize); err != nil {
		return granted{}, fmt.Errorf("TUNSETVNETHDRSZ: %w", err)
	}
	ask := func(flags int) error {
		if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, flags); err != nil {
			return fmt.Errorf("TUNSETOFFLOAD %#x: %w", flags, err)
		}
		return nil
	}
	if off {
		return nothing(errSwitchedOff), ask(0)
	}
	return negotiate(ask), nil
}

// negotiate asks for less until the kernel agrees. Checksums and TCP superframes may be
// written since there are virtio headers; UDP ones where they may be read.
func negotiate(ask func(flags int) error) (g granted) {
	for _, offer := range offers {
		err := ask(offer.flags)
		if err == nil {
			g.read = offer.set
			break
		}
		if g.why == nil {
			g.why = fmt.Errorf("not in this kernel: %w", err)
		}
	}
	g.write = encap.OffloadCSUM | encap.OffloadTSO | g.read&encap.OffloadUSO
	return g
}
