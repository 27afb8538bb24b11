package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// KernelVXLAN adds a VXLAN device of the kernel to the host, with its flood list and
// addresses, and brings it up.
func (h *Host) KernelVXLAN(cfg VXLANConfig) error {
	if cfg.Port == 0 {
		cfg.Port = DefaultVXLANPort
	}
	if cfg.VNI >= 1<<24 {
		return fmt.Errorf("VXLAN device %s of host %s: VNI %d: give a number below 2^24", cfg.Name, h.name, cfg.VNI)
	}
	link := vxlanLink(cfg)
	if cfg.Group.IsValid() {
		device, err := h.link(cfg.GroupDevice)
		if err != nil {
			return err
		}
		link.Group, link.VtepDevIndex = cfg.Group.AsSlice(), device.Attrs().Index
	}
	if err := h.nl.LinkAdd(link); err != nil {
		return fmt.Errorf("add VXLAN device %s to host %s: %w", cfg.Name, h.name, err)
	}
	if err := h.configureVXLAN(cfg); err != nil {
		return errors.Join(err, h.DeleteLink(cfg.Name))
	}
	return nil
}

func vxlanLink(cfg VXLANConfig) *netlink.Vxlan {
	link := &netlink.Vxlan{
		LinkAttrs: netlink.NewLinkAttrs(),
		VxlanId:   int(cfg.VNI),
		SrcAddr:   cfg.Local.AsSlice(),
		Port:      int(cfg.Port),
		TTL:       int(cfg.TTL),
		TOS:       int(cfg.TOS),
		Learning:  !cfg.NoLearning,
	}
	link.Name, link.MTU, link.HardwareAddr = cfg.Name, cfg.MTU, cfg.MAC
	return link
}

func (h *Host) configureVXLAN(cfg VXLANConfig) error {
	link, err := h.link(cfg.Name)
	if err != nil {
		return err
	}
	for _, remote := range cfg.Remotes {
		if err := h.nl.NeighAppend(floodEntry(link, remote.AsSlice())); err != nil {
			return fmt.Errorf("add remote %v to %s of host %s: %w", remote, cfg.Name, h.name, err)
		}
	}
	for _, p := range cfg.Addresses {
		if err := h.AddAddress(cfg.Name, p); err != nil {
			return err
		}
	}
	if err := h.setLinkUp(cfg.Name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), linkUpLimit)
	defer cancel()
	return h.endUp(ctx, cfg.Name, cfg.Addresses)
}

// floodEntry is what "bridge fdb append 00:00:00:00:00:00 dev LINK dst REMOTE" adds.
func floodEntry(link netlink.Link, remote net.IP) *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex:    link.Attrs().Index,
		Family:       unix.AF_BRIDGE,
		State:        netlink.NUD_NOARP | netlink.NUD_PERMANENT,
		Flags:        netlink.NTF_SELF,
		HardwareAddr: make(net.HardwareAddr, 6),
		IP:           remote,
	}
}
