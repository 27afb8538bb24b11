package underlay

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// portOwner says who holds the port of local, at its address or at all addresses, in
// the network namespace of the calling thread. It looks for a process first, and for
// a VXLAN interface of the kernel then: its socket belongs to no process.
func portOwner(local netip.AddrPort) string {
	inodes := socketsAt(local)
	if owner := processWith(inodes); owner != "" {
		return owner
	}
	if name := vxlanAt(local.Port()); name != "" {
		return "kernel VXLAN interface " + name
	}
	return "another socket"
}

// socketsAt returns the inodes of the UDP sockets that a bind to local runs into. IPv6
// sockets are looked at for IPv4 if there is nothing else: bound to all addresses they
// hold the port there too, unless they are V6ONLY, which the kernel does not tell here.
func socketsAt(local netip.AddrPort) []uint32 {
	if local.Addr().Is4() {
		if inodes := socketsOf(unix.AF_INET, local); inodes != nil {
			return inodes
		}
	}
	return socketsOf(unix.AF_INET6, local)
}

// socketsOf returns the inodes of one family's sockets that are bound to local's port,
// at its address or at all. Kernel sockets are among them, with inodes that no process
// has open.
func socketsOf(family uint8, local netip.AddrPort) []uint32 {
	var inodes []uint32
	// Sockets listed before a dump was interrupted are as good as any.
	sockets, _ := netlink.SocketDiagUDP(family)
	for _, s := range sockets {
		a, ok := netip.AddrFromSlice(s.ID.Source)
		a = a.Unmap() // as which IPv4 addresses come
		if ok && s.ID.SourcePort == local.Port() && (a.IsUnspecified() || a == local.Addr().WithZone("")) {
			inodes = append(inodes, s.INode)
		}
	}
	return inodes
}

// processWith returns the process that has one of the sockets open, as far as we may
// see it, or "".
func processWith(inodes []uint32) string {
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // fails on a bad pattern only
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue // closed meanwhile, or another user's
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 32)
		if err == nil && slices.Contains(inodes, uint32(n)) {
			return processName(strings.Split(fd, "/")[2])
		}
	}
	return ""
}

// processName describes a process by its number and the name of its command.
func processName(pid string) string {
	comm, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return "process " + pid
	}
	return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(comm)))
}

// vxlanAt returns the name of a VXLAN interface that is up, and so holds a socket on
// the port, or "".
func vxlanAt(port uint16) string {
	links, _ := netlink.LinkList()
	for _, l := range links {
		v, ok := l.(*netlink.Vxlan)
		if ok && v.Port == int(port) && v.Flags&net.FlagUp != 0 {
			return v.Name
		}
	}
	return ""
}
