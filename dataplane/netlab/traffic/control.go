package traffic

import "net/netip"

// Client and sink speak JSON, a line at a time, over one TCP connection for each
// measurement. Of a UDP one:
//
//	client                            sink
//	{"job":"udp","flows":2,…}  →
//	                           ←      {"ports":[41001,41002]}  it receives from now on
//	datagrams to the ports     ⇒
//	{"sent":123456}            →                               it waits for the last ones
//	                           ←      {"received":123450,…}
//
// A job lives as long as its connection: whoever goes away leaves nothing behind at the
// other end.

// DefaultPort is where a sink listens unless told otherwise: the number of VXLAN's RFC.
const DefaultPort = 7348

// Jobs that a connection to the sink may begin with.
const (
	jobTCP    = "tcp"    // counts what arrives on streams; each further line asks for the count
	jobStream = "stream" // the rest of the connection is data for the tcp job of that token
	jobUDP    = "udp"    // counts datagrams; the next line, a done, ends it
	jobEcho   = "echo"   // sends datagrams back until the connection ends
)

// request is the first line of a connection to the sink.
type request struct {
	Job   string `json:"job"`
	Token uint32 `json:"token"`
	Flows int    `json:"flows,omitempty"`
}

// ready is the answer to a request.
type ready struct {
	Ports []uint16 `json:"ports,omitempty"` // one for each flow
	Err   string   `json:"err,omitempty"`
}

// count is the answer of a tcp job to any line.
type count struct {
	Bytes int64 `json:"bytes"`
	Nanos int64 `json:"nanos"` // of the sink's clock, from the start of the job
}

// done tells a udp job that all is sent, and how much that was.
type done struct {
	Sent uint64 `json:"sent"`
}

// counted is the answer of a udp job to done.
type counted struct {
	Received   uint64 `json:"received"`
	Duplicates uint64 `json:"duplicates"`
	Reordered  uint64 `json:"reordered"`
	SinkDrops  uint64 `json:"sink_drops"`
	Nanos      int64  `json:"nanos"` // from the first datagram to the last
	Err        string `json:"err,omitempty"`
}

// maxFlows bounds what a stranger can ask a sink for.
const maxFlows = 1024

// unmapped is an address whose family is that of the packets.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
