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

// share has each frame go to one of several sockets, by a hash of its flow that is the same
// for both directions. Fragments are told apart by their addresses alone, so that those of a
// datagram stay together and in order.
func share(fds []int) error {
	const (
		flags  = unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING // that of each socket does not count then
		unique = unix.PACKET_FANOUT_FLAG_UNIQUEID        // the kernel chooses a group of ours alone
	)
	join := func(fd, group, flags int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group|(unix.PACKET_FANOUT_HASH|flags)<<16); err != nil {
			return fmt.Errorf("PACKET_FANOUT (Linux 4.12 or later): %w", err)
		}
		return nil
	}
	if err := join(fds[0], 0, flags|unique); err != nil {
		return err
	}
	group, err := unix.GetsockoptInt(fds[0], unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return fmt.Errorf("read PACKET_FANOUT: %w", err)
	}
	for _, fd := range fds[1:] {
		if err := join(fd, group&0xffff, flags); err != nil {
			return err
		}
	}
	return nil
}
