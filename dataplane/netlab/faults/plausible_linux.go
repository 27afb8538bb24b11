package faults

import "golang.org/x/sys/unix"

// Opening is the calls by which things are opened and given what they are to have.
var Opening = []int{
	unix.SYS_BIND, unix.SYS_BPF, unix.SYS_CONNECT, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL,
	unix.SYS_EVENTFD2, unix.SYS_GETSOCKNAME, unix.SYS_GETSOCKOPT, unix.SYS_IO_URING_ENTER,
	unix.SYS_IO_URING_SETUP, unix.SYS_IOCTL, unix.SYS_OPENAT,
	unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_SENDTO, unix.SYS_SETNS, unix.SYS_SETSOCKOPT,
	unix.SYS_SOCKET,
}

// plausible is how calls fail: for want of memory, descriptors or permission, and in a kernel
// that lacks what is asked for.
var plausible = map[int][]unix.Errno{
	unix.SYS_BIND:           {unix.EADDRINUSE, unix.EADDRNOTAVAIL, unix.EACCES},
	unix.SYS_BPF:            {unix.EPERM, unix.ENOSYS},
	unix.SYS_CONNECT:        {unix.ENETUNREACH},
	unix.SYS_EPOLL_CREATE1:  {unix.EMFILE},
	unix.SYS_EPOLL_CTL:      {unix.ENOSPC},
	unix.SYS_EVENTFD2:       {unix.EMFILE},
	unix.SYS_GETSOCKNAME:    {unix.ENOBUFS},
	unix.SYS_GETSOCKOPT:     {unix.ENOPROTOOPT},
	unix.SYS_IOCTL:          {unix.EPERM, unix.EINVAL},
	unix.SYS_IO_URING_ENTER: {unix.ENOMEM, unix.EPERM},
	unix.SYS_IO_URING_SETUP: {unix.EPERM, unix.ENOSYS},
	unix.SYS_OPENAT:         {unix.EMFILE, unix.EACCES},
	unix.SYS_RECVFROM:       {unix.ENOBUFS},
	unix.SYS_RECVMSG:        {unix.ENOBUFS},
	unix.SYS_SENDTO:         {unix.ENOBUFS},
	unix.SYS_SETNS:          {unix.EPERM},
	unix.SYS_SETSOCKOPT:     {unix.ENOPROTOOPT, unix.EPERM},
	unix.SYS_SOCKET:         {unix.EMFILE, unix.EPERM},
}

// Plausible is [Errnos] for [Opening].
func Plausible(c Call) []unix.Errno { return plausible[c.Number] }
