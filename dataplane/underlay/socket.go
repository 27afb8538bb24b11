package underlay

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/encap"
)

// Batch is the most datagrams that one call of Recv returns, and that one system call
// of Send takes.
const Batch = 64

// Socket is one queue of the underlay: the listening socket of a VTEP and its
// source-port sockets. Recv belongs to one goroutine and Send to one; the other
// methods, Post among them, may be called by any.
type Socket struct {
	driver driver
	local  netip.AddrPort
}

// driver is what a Socket is made of. It is called once per batch.
type driver interface {
	Recv(dgrams []encap.Datagram) (int, error)
	Poll(dgrams []encap.Datagram) (int, error)
	Send(dgrams []encap.Datagram) (int, error)
	Post(d *encap.Datagram) error
	Drops() uint64
	Close() error

	// join hears a group on an interface, until leave is called.
	join(at netip.AddrPort, device device) (leave func() error, err error)
	// relink moves sockets along that are bound to an interface which was made again, for
	// a group or a link-local address, to the index that it has now.
	relink(device device) error
	allowNoChecksum() error
	// sendsFrom reports whether a port is one that datagrams leave from, beside the
	// listening port.
	sendsFrom(port uint16) bool

	canPoll() bool
	name() string
	// listenPort is the port that the system chose, or was told.
	listenPort() uint16
	// sourcePorts and features are the driver's own slices, set once by open.
	sourcePorts() []uint16
	features() []Feature
	receiveBuffer() (got, wanted int)
}

// Open opens the sockets that config describes, in the network namespace of the
// calling thread. Errors are one line that says what to do; see [PortTakenError] and
// [NoAddressError].
func Open(config Config) (*Socket, error) {
	queues, err := OpenQueues(config, 1)
	if err != nil {
		return nil, err
	}
	return queues[0], nil
}

// OpenQueues is Open for n queues, up to [MaxQueues], that share the port: what a flow of
// the underlay brings always comes to the same queue. Each has source ports of its own.
// They are to be closed together, since the flows of a queue that is gone come to the
// others. Only the Linux driver has more than one.
//
// Sealed data and keepalives come to the queue, in the order returned, whose number is that
// of the sender's queue modulo n, and handshakes to the first, if [FeatureSteering] is in
// force.
func OpenQueues(config Config, n int) ([]*Socket, error) {
	if n < 1 || n > MaxQueues {
		return nil, fmt.Errorf("underlay: %d queues: want 1 to %d", n, MaxQueues)
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	drivers, err := openDrivers(config, n)
	var queues []*Socket
	for _, d := range drivers {
		queues = append(queues, &Socket{d, netip.AddrPortFrom(config.Local.Addr(), d.listenPort())})
	}
	if err != nil {
		for _, q := range queues {
			q.Close()
		}
		return nil, err
	}
	return queues, nil
}

// Recv blocks until datagrams are there and returns those that are, at most
// len(dgrams) and at most [Batch]. It fills dgrams[i].Data, whose capacity beyond its
// length is not touched, and sets every other field but Source. After Close the error
// is net.ErrClosed; any other is passing.
func (s *Socket) Recv(dgrams []encap.Datagram) (int, error) { return s.driver.Recv(dgrams) }

// Poll is Recv that does not block: it returns 0 if no datagram is there. The portable
// driver cannot tell and always returns 0.
func (s *Socket) Poll(dgrams []encap.Datagram) (int, error) { return s.driver.Poll(dgrams) }

// CanPoll reports whether Poll can tell.
func (s *Socket) CanPoll() bool { return s.driver.canPoll() }

// Send sends dgrams in order and returns how many the system took. An error is a
// [*SendError] about dgrams[n], or net.ErrClosed.
//
// When a socket's buffer is full, Send waits for up to 10 ms: the worker behind it
// then stops reading its ports, and what waits there is dropped where it is cheapest.
// If nothing moved in that time the error is ENOBUFS, and Send does not wait for that
// socket again until a datagram has passed, so that a dead device costs its own
// traffic and not everybody's. (The portable driver waits for each datagram.)
func (s *Socket) Send(dgrams []encap.Datagram) (int, error) { return s.driver.Send(dgrams) }

// Post sends one datagram from the listening socket, from any goroutine, beside Send:
// handshakes and keepalives, which go from listening port to listening port, and what had
// to wait for a key. Source and SegmentSize are ignored. Errors are those of Send, and so
// is the wait for room; the buffers are borrowed until it returns.
func (s *Socket) Post(d *encap.Datagram) error { return s.driver.Post(d) }

// posted returns d as Post sends it: one datagram, from the listening socket.
func posted(d *encap.Datagram) encap.Datagram {
	one := *d
	one.Source, one.SegmentSize = encap.SourceListen, 0
	return one
}

// Sources is the number of source-port sockets, 0 if everything is sent from the
// listening socket.
func (s *Socket) Sources() int { return len(s.driver.sourcePorts()) }

// SourcePorts returns the UDP ports of the source-port sockets: the one at index i is
// what dgrams with Source i are sent from.
func (s *Socket) SourcePorts() []uint16 { return slices.Clone(s.driver.sourcePorts()) }

// TrainLimit is how many datagrams one train may have that is sent, 1 if the system
// takes no trains. Linux takes 64 before 6.9 and 128 after; 64 fill a train with
// full-size frames, and are all the small ones that a worker has at a time.
func (s *Socket) TrainLimit() int {
	for _, f := range s.driver.features() {
		if f.Name == FeatureGSO && f.Err == nil {
			return 64
		}
	}
	return 1
}

// Drops is how many datagrams the kernel dropped at the listening socket since it was
// opened, because its buffer was full or their checksum was wrong. Always 0 with the
// portable driver.
func (s *Socket) Drops() uint64 { return s.driver.Drops() }

// Close ends a Recv under way and releases the sockets. Later calls return
// net.ErrClosed.
func (s *Socket) Close() error { return s.driver.Close() }

// Local is the address and port that the socket is bound to.
func (s *Socket) Local() netip.AddrPort { return s.local }

// ReceiveBuffer returns the size of the listening socket's buffer as the system
// reports it, and the size that was asked for, in bytes of payload and bookkeeping. If
// got is less than wanted, the system has refused (on Linux, beyond net.core.rmem_max
// without CAP_NET_ADMIN), and bursts will be dropped. got is 0 if the system does not
// tell.
func (s *Socket) ReceiveBuffer() (got, wanted int) { return s.driver.receiveBuffer() }

// Driver names the driver in use: "linux" or "portable".
func (s *Socket) Driver() string { return s.driver.name() }

// Features lists what the system was asked for and whether it is in force, always in
// the same order for one driver. [FeatureSteering] is only asked for by several queues.
func (s *Socket) Features() []Feature { return slices.Clone(s.driver.features()) }

// Feature is a service of the system that a socket makes use of if it is there.
type Feature struct {
	// Name is one of the Feature constants.
	Name string
	// Err is nil if the feature is in force, and otherwise why it is not.
	Err error
}

// Names of features.
const (
	FeatureGRO          = "udp-gro"       // trains are received in one piece
	FeatureGSO          = "udp-gso"       // trains are cut by the kernel
	FeatureDF           = "df"            // datagrams are never fragmented on the way
	FeatureTOS          = "tos"           // TOS or traffic class is seen on receipt
	FeatureTTL          = "ttl"           // TTL or hop limit is seen on receipt
	FeatureZeroChecksum = "zero-checksum" // datagrams without UDP checksum are accepted
	FeatureDrops        = "drops"         // Drops counts
	// FeatureSteering has sealed data come to the queue that [OpenQueues] names.
	FeatureSteering = "sealed-steering"
)
