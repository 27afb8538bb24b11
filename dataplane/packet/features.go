package packet

import (
	"errors"

	"github.com/vxtap/vxtap/encap"
)

// Feature is a service of the system that a device makes use of if it is there.
type Feature struct {
	// Name is one of the Feature constants.
	Name string
	// Err is nil if the feature is in force, and otherwise why it is not.
	Err error
}

// Names of features. That superframes and frames with unfinished checksums are read is
// always so: those who send them do not ask.
const (
	FeatureWriteChecksum = "write-checksum" // the system finishes checksums
	FeatureWriteTSO      = "write-tso"      // TCP superframes may be written
	FeatureWriteUSO      = "write-uso"      // UDP superframes may be written
	FeatureSteering      = "steering"       // frames are shared among several queues, a flow's to one
)

var (
	errSwitchedOff = errors.New("switched off by --offload")
	errRefused     = errors.New("the kernel refused one when it was written")
)

// Features lists the offloads of the device, and whether they are in force now, always in
// the same order.
func (d *Device) Features() []Feature {
	now := ^encap.OffloadSet(0)
	for _, q := range d.queues {
		now &= q.Offloads()
	}
	var list []Feature
	for _, k := range []struct {
		name string
		bit  encap.OffloadSet
	}{
		{FeatureWriteChecksum, encap.OffloadCSUM}, {FeatureWriteTSO, encap.OffloadTSO}, {FeatureWriteUSO, encap.OffloadUSO},
	} {
		f := Feature{Name: k.name}
		if now&k.bit == 0 {
			if f.Err = d.offload; f.Err == nil {
				f.Err = errRefused
			}
		}
		list = append(list, f)
	}
	if len(d.queues) > 1 {
		list = append(list, Feature{FeatureSteering, d.steered})
	}
	return list
}
