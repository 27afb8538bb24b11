package tap

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

// Names of features. What is read is what the system sends through the interface.
const (
	FeatureReadChecksum  = "read-checksum"  // checksums may be left for us to finish
	FeatureReadTSO       = "read-tso"       // TCP superframes are read
	FeatureReadUSO       = "read-uso"       // UDP superframes are read
	FeatureWriteChecksum = "write-checksum" // the system finishes checksums
	FeatureWriteTSO      = "write-tso"      // TCP superframes may be written
	FeatureWriteUSO      = "write-uso"      // UDP superframes may be written
	FeatureTrainSize     = "train-size"     // superframes are no larger than one send takes
	FeatureReadBursts    = "read-bursts"    // several frames are read with one system call
	FeatureSteering      = "steering"       // of several queues, a flow is read from one
)

// kinds are the offloads and what they are called in each direction.
var kinds = [...]struct {
	bit         encap.OffloadSet
	read, write string
}{
	{encap.OffloadCSUM, FeatureReadChecksum, FeatureWriteChecksum},
	{encap.OffloadTSO, FeatureReadTSO, FeatureWriteTSO},
	{encap.OffloadUSO, FeatureReadUSO, FeatureWriteUSO},
}

// granted is what came of asking the system for offloads.
type granted struct {
	read, write encap.OffloadSet
	why         error // the sets lack what they lack
	trainSize   error // nil if superframes are limited to a train's size
}

var (
	errPortable = errors.New("the portable driver moves complete frames only")
	errRefused  = errors.New("the kernel refused one when it was written")
)

// nothing is what a device has that does without offloads.
func nothing(why error) granted { return granted{why: why, trainSize: why} }

// Features lists the offloads of the device, and whether they are in force now, always
// in the same order.
func (d *Device) Features() []Feature {
	now, bursts := d.granted.write, error(nil)
	for _, q := range d.queues {
		now &= q.Offloads()
		if bursts == nil {
			bursts = q.driver.single()
		}
	}
	var list []Feature
	for _, k := range kinds {
		list = append(list, Feature{k.read, d.granted.lack(d.granted.read, k.bit)})
	}
	for _, k := range kinds {
		list = append(list, Feature{k.write, d.granted.lack(now, k.bit)})
	}
	list = append(list, Feature{FeatureTrainSize, d.trainSize()}, Feature{FeatureReadBursts, bursts})
	if len(d.queues) > 1 {
		list = append(list, Feature{FeatureSteering, d.steered})
	}
	return list
}

// lack says why set lacks an offload, or nil if it has it.
func (g *granted) lack(set, bit encap.OffloadSet) error {
	switch {
	case set&bit != 0:
		return nil
	case g.write&bit != 0 && g.why == nil:
		return errRefused
	}
	return g.why
}

// trainSize reads what a move may be about to change.
func (d *Device) trainSize() error {
	d.moving.Lock()
	defer d.moving.Unlock()
	return d.granted.trainSize
}
