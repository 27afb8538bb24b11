package packet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Buffers of each socket in bytes. What is received waits in it as on the ring of a TAP:
// some 20 000 small frames, or 60 superframes. What is sent counts against the other until
// the interface is done with it.
const (
	receiveBuffer = 8 << 20
	sendBuffer    = 4 << 20
)

// openSocket opens a packet socket that hears nothing yet: protocol 0 is none, and the
// filter keeps nothing.
func openSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EPERM):
		return -1, refuse(ErrPermission, err, "not allowed to open a packet socket: run as root, or with CAP_NET_RAW in this network namespace")
	case err != nil:
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := prepare(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func prepare(fd int) error {
	for _, o := range []struct {
		name   string
		option int
	}{
		{"PACKET_VNET_HDR", unix.PACKET_VNET_HDR},
		{"PACKET_AUXDATA", unix.PACKET_AUXDATA},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, o.option, 1); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) // the filter will do
	force(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, receiveBuffer)
	force(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer)
	return setFilter(fd, nothing)
}

// shortBuffer says in one line that the receive buffer is not what it should be; empty if it
// is. The kernel doubles its size for its bookkeeping (socket(7)).
func shortBuffer(fd int) string {
	switch size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); {
	case err != nil:
		return fmt.Sprintf("the receive buffer of the packet socket cannot be read back: %v", err)
	case size/2 < receiveBuffer:
		return fmt.Sprintf("the kernel gave the packet socket a receive buffer of %d bytes of %d; bursts may be dropped: run with CAP_NET_ADMIN, or raise net.core.rmem_max", size/2, receiveBuffer)
	}
	return ""
}

// force sets a buffer to size bytes, as far as the system lets us: beyond its limit with
// CAP_NET_ADMIN, and up to it without.
func force(fd, forced, ordinary, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, forced, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ordinary, size) // the kernel lowers it to its limit
	}
}

// bind puts a socket on an interface.
func bind(fd, ifindex int) error {
	// sll_protocol is in network byte order, whatever that of the host is.
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: ifindex}); err != nil {
		return fmt.Errorf("bind a packet socket: %w", err)
	}
	return nil
}

// promiscuous has the interface hear what is for others too, until the socket is closed. The
// kernel counts who asked for it.
func promiscuous(fd, ifindex int) error {
	m := unix.PacketMreq{Ifindex: int32(ifindex), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
		return fmt.Errorf("make the interface promiscuous: %w", err)
	}
	return nil
}

// Each frame goes to one of several sockets, by a hash of its flow that is the same for both
// directions. Fragments are told apart by their addresses alone, so that those of a datagram
// stay together and in order.

// openGroup makes a group of a socket, of which it is the only one yet.
func openGroup(fd int) (group int, err error) {
	// The kernel chooses a group that is ours alone.
	if err := join(fd, 0, unix.PACKET_FANOUT_FLAG_UNIQUEID); err != nil {
		return 0, err
	}
	if group, err = unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT); err != nil {
		return 0, fmt.Errorf("read PACKET_FANOUT: %w", err)
	}
	return group & 0xffff, nil
}

// join adds a socket to a group. Whether what this host sends is heard is the group's.
func join(fd, group, flags int) error {
	flags |= unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group|flags<<16); err != nil {
		return fmt.Errorf("PACKET_FANOUT (Linux 4.12 or later): %w", err)
	}
	return nil
}
