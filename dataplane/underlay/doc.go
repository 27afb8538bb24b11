// Package underlay is the UDP side of a VTEP: one listening socket that is bound to
// the address the VTEP answers from, and sockets on other source ports that are only
// sent from, so that ECMP and RSS see more than one flow. With several queues each has
// all of this, the listening sockets sharing the port ([OpenQueues]).
//
// [Open] returns a [Socket] with one of two drivers inside. The Linux driver moves
// batches of datagrams and trains (see [encap.Datagram]) with recvmmsg and sendmmsg
// and allocates nothing. The portable driver moves one datagram per system call over
// golang.org/x/net and runs everywhere.
//
// What the portable driver lacks, beside speed:
//   - no UDP_GRO: trains arrive as single datagrams, and so do a kernel VTEP's
//     superframes of inner UDP, which Linux then cuts;
//   - trains are cut into datagrams here, not by the kernel;
//   - the TOS of IPv4 is not seen on receipt (golang.org/x/net has no message for it),
//     which an ECN-aware receiver takes as Not-ECT; on Windows neither TOS nor TTL is,
//     for either family, and a traffic class cannot be set;
//   - Drops is always 0;
//   - DF is set on Linux, macOS, FreeBSD and Windows only, and zero checksums over IPv6
//     are accepted on Linux only.
//
// [Socket.Features] says which of these hold for a given socket.
package underlay
