// Package encap holds everything about vxtap's packets that needs no I/O: views of
// wire formats over []byte, the arithmetic between them (checksums, ECN, MTU, flow
// hash), and the two units that encapsulation turns into each other, [Frame] and
// [Datagram].
//
// Views are named byte slices, as in gVisor's header package: type UDP []byte with
// accessors that read and write the bytes in place, in network byte order. A view's
// accessors may assume the minimum size of its header; whoever makes a view has
// checked it, usually through [Layers.Parse], which accepts any input.
//
// Nothing in this package allocates, except String methods and errors on paths that
// are not a frame's.
package encap
