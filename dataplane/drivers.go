package dataplane

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// Queue is one queue of a port: a TAP queue, or one in memory. Out-worker i reads
// queue i of every port; any worker writes to it.
//
// A driver is a struct in its own package that satisfies this interface; package
// dataplane imports no driver.
type Queue interface {
	// Read fills up to len(frames) frames that are waiting and returns how many, 0
	// when there are none: it never blocks. On entry frames[i].Data is a buffer of
	// encap.ReadBuffer bytes; on return it is shortened to the frame and
	// frames[i].Offload is set. The buffers are the caller's before and after. A port
	// may shorten Data at its beginning too, by up to encap.VirtioHeaderSize bytes; its
	// capacity stays that of the buffer's rest. A frame that the port does not have
	// carried has its Refusal set, and counts; one that it keeps for now does not.
	//
	// Only one goroutine reads a queue. Frames read before an error are returned with
	// a nil error, and the error by the next call. After Close, or once the device is
	// gone, the error is net.ErrClosed or wraps it.
	Read(frames []encap.Frame) (int, error)

	// Write hands frames to the device in order and returns how many it took. An
	// error is about frames[n]; the caller counts that frame as dropped and goes on
	// behind it. It borrows the buffers until it returns. Any number of goroutines
	// may write to a queue.
	//
	// Frames carry only offloads that Offloads() lists. An encap.Refusal as the error
	// names a reason of the port's own.
	Write(frames []encap.Frame) (int, error)

	// Offloads is what Write takes. It may shrink while the queue is in use, when the
	// kernel refuses what it promised: Write then returns an error that wraps errors.ErrUnsupported for that frame
	// and the worker does the work itself.
	Offloads() encap.OffloadSet

	// FD is the descriptor that a Poller waits on for reading, or -1 if the queue
	// announces all frames through Notify instead.
	FD() int

	// Notify sets the function that the queue calls, from any goroutine, when it goes
	// from empty to readable, or has failed. It is called at once if the queue is
	// readable already. Queues with a descriptor call it at most for what the descriptor
	// does not show.
	Notify(ready func())
}

// Poller waits for any of an out-worker's queues to have frames. Tokens name queues,
// from 0.
type Poller interface {
	// Add watches a descriptor for reading, level-triggered, under a token.
	Add(fd, token int) error
	// Remove stops watching a descriptor. To be called before it is closed.
	Remove(fd int) error
	// Wake marks a token as ready, from any goroutine, and ends a Wait.
	Wake(token int)
	// Wait blocks until a token is ready, and returns how many it has put in ready;
	// each token at most once. Tokens that do not fit are returned by the next call.
	// After Close the error is net.ErrClosed.
	Wait(ready []int) (int, error)
	// Poll is Wait that does not block: it returns 0 if no token is ready.
	Poll(ready []int) (int, error)
	// Close ends a Wait that is under way and all later ones.
	Close() error
}

// Paths is what this host and the routers beyond know of the ways to remotes.
type Paths interface {
	// Next blocks until a router reports that a datagram was too big for a link on its
	// way. The datagram came from a socket of the VTEP's, as far as the report shows.
	// After Close the error is net.ErrClosed or wraps it.
	Next() (encap.PathReport, error)
	// MTU returns the largest IP packet in bytes that this host sends to a remote now.
	MTU(remote netip.Addr) (int, error)
	// Way describes how packets to a remote leave this host: the same text for as long as they
	// go the same way, empty if that is not known.
	Way(remote netip.Addr) string
	// Close ends a Next that is under way.
	Close() error
}

// Underlay is one queue of the UDP side of a VTEP: a listening socket, and sockets on
// other source ports that are only sent from.
type Underlay interface {
	// Recv blocks until at least one datagram is there and returns those that are, at
	// most len(dgrams). On entry dgrams[i].Data is a buffer, which the kernel may
	// fill with up to 64 KB of coalesced datagrams. Only one goroutine receives. After
	// Close the error is net.ErrClosed or wraps it; any other error may be passing (the
	// kernel reports an ICMP answer to an earlier send this way, a device went down),
	// and the caller calls again; one that does not pass ends the worker.
	Recv(dgrams []encap.Datagram) (int, error)

	// Poll is Recv that does not block: it returns 0 if no datagram is there, or if the
	// underlay cannot tell.
	Poll(dgrams []encap.Datagram) (int, error)

	// Send sends dgrams in order and returns how many the kernel took. An error is
	// about dgrams[n]; the caller counts it and goes on behind it. It borrows the
	// buffers until it returns. Only one goroutine sends.
	//
	// Errors are the system's, wrapped: EMSGSIZE (too big for the path), ENETUNREACH
	// and its like, ENOBUFS.
	Send(dgrams []encap.Datagram) (int, error)

	// Post sends one datagram from the listening socket, beside Send and from any
	// goroutine. Its Source is ignored. Errors are as Send's.
	Post(d *encap.Datagram) error

	// Sources is the number of source-port sockets, a power of two, at most 16, or 0
	// if everything is sent from the listening socket.
	Sources() int

	// TrainLimit is how many datagrams one train may have that is sent; 1 if the
	// underlay takes no trains.
	TrainLimit() int

	// Drops is how many datagrams the kernel dropped because the listening socket's
	// buffer was full, since it was opened.
	Drops() uint64

	// Close ends a Recv under way and releases the sockets.
	Close() error
}
