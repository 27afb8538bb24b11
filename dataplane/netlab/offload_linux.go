package netlab

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/safchain/ethtool"
)

// Offload turns features of an interface on and off, by their ethtool names, and reads
// them back: a feature that the kernel does not know or does not change is an error.
func (h *Host) Offload(ifname string, features map[string]bool) error {
	if len(features) == 0 {
		return nil
	}
	err := h.ethtool(func(e *ethtool.Ethtool) error {
		if err := e.Change(ifname, features); err != nil {
			return err
		}
		have, err := e.Features(ifname)
		if err != nil {
			return err
		}
		return compareFeatures(have, features)
	})
	if err != nil {
		return fmt.Errorf("set offloads of %s of host %s: %w", ifname, h.name, err)
	}
	return nil
}

// compareFeatures names the features that are not as wanted.
func compareFeatures(have, want map[string]bool) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			errs = append(errs, fmt.Errorf("%s stays %t", name, have[name]))
		}
	}
	return errors.Join(errs...)
}

// Features are the features of an interface by their ethtool names, on or off.
func (h *Host) Features(ifname string) (map[string]bool, error) {
	var features map[string]bool
	err := h.ethtool(func(e *ethtool.Ethtool) (err error) {
		features, err = e.Features(ifname)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read offloads of %s of host %s: %w", ifname, h.name, err)
	}
	return features, nil
}

// SetUnderlay gives an interface the features of u, as far as this kernel knows them.
// It goes one way, from Super to Wire or Bare and between those.
func (h *Host) SetUnderlay(ifname string, u Underlay) error {
	want := u.Features()
	if len(want) == 0 {
		return nil
	}
	have, err := h.Features(ifname)
	if err != nil {
		return err
	}
	maps.DeleteFunc(want, func(name string, _ bool) bool {
		_, known := have[name]
		return !known
	})
	return h.Offload(ifname, want)
}

// ethtool calls f in the namespace.
func (h *Host) ethtool(f func(*ethtool.Ethtool) error) error {
	return h.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer e.Close()
		return f(e)
	})
}
