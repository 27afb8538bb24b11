package dataplane

import "github.com/vxtap/vxtap/encap"

// A reception takes batches of datagrams from the underlay.
//
// Where they come small, as from a device without GRO, a batch is several passes: the more
// segments of a flow are at hand, the larger the superframe they become. Each pass receives
// behind the datagrams of the one before it, in the same buffers, so that many small ones
// need hardly more memory than few large ones.
type reception struct {
	underlay Underlay
	dgrams   [maxReception]encap.Datagram
	slab     [][]byte
	pending  error // of a pass behind those that the last batch had
}

const (
	// maxPasses is the most that a batch takes. With four, a device that brings packet by
	// packet fills superframes of four flows at once.
	maxPasses = 4
	// maxReception is how many datagrams they bring.
	maxReception = maxPasses * batchSize
	// maxDatagram is the most that one receive can bring: a 64 KB superframe from a kernel
	// VTEP, or as much coalesced.
	maxDatagram = 1 << 16
	// smallDatagram is what is small: a packet of Ethernet's MTU. Behind so many in a
	// buffer the largest datagram still fits.
	smallDatagram = 1536
)

// use has it receive from u.
func (r *reception) use(u Underlay) {
	r.underlay = u
	r.slab = newBuffers(batchSize, 0, maxDatagram+(maxPasses-1)*smallDatagram)
	r.offer(batchSize)
}

// offer makes whole buffers of the first n datagrams again, as far as they are of the first
// pass.
func (r *reception) offer(n int) {
	for i := range r.dgrams[:min(n, batchSize)] {
		r.dgrams[i] = encap.Datagram{Data: r.slab[i][:maxDatagram]}
	}
}

// wait returns once there are datagrams. They lie in dgrams[:n] until offer.
func (r *reception) wait() (int, error) {
	if err := r.overdue(); err != nil {
		return 0, err
	}
	n, err := r.underlay.Recv(r.dgrams[:batchSize])
	return r.more(n), err
}

// poll is wait that does not: it returns 0 if none are there.
func (r *reception) poll() (int, error) {
	if err := r.overdue(); err != nil {
		return 0, err
	}
	n, err := r.underlay.Poll(r.dgrams[:batchSize])
	return r.more(n), err
}

func (r *reception) overdue() (err error) {
	err, r.pending = r.pending, nil
	return err
}

// more takes further passes behind the n datagrams of the first, as long as one is full:
// then there is more to be had. An error is that of the next batch.
func (r *reception) more(n int) int {
	begin, offered := 0, batchSize
	for n-begin == offered && n < len(r.dgrams) {
		begin, offered = n, r.offerRests(begin, n)
		if offered < batchSize/2 {
			break // for so few a system call costs more than larger superframes save
		}
		got, err := r.underlay.Poll(r.dgrams[begin : begin+offered])
		n, r.pending = n+got, err
	}
	return n
}

// offerRests makes what datagrams i to j left of their buffers those of the next pass,
// and returns how many are large enough.
func (r *reception) offerRests(i, j int) int {
	next := r.dgrams[j:]
	n := 0
	for _, d := range r.dgrams[i:j] {
		if n == len(next) {
			break
		}
		used := (len(d.Data) + cacheLine - 1) / cacheLine * cacheLine
		if cap(d.Data)-used < maxDatagram {
			continue
		}
		next[n] = encap.Datagram{Data: d.Data[used : used+maxDatagram]}
		n++
	}
	return n
}
