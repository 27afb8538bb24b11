// Package api is the agent's door: HTTP and JSON over a unix socket, through which the
// vxtap commands, and anyone with curl, look at a node and change its forwarding
// tables. The package holds the types on the wire, the server, which asks a [Backend],
// and the [Client].
//
// # Connecting
//
// The socket is /run/vxtap/vxtap.sock unless the agent was told otherwise. Its mode is
// 0660, its group vxtap where there is one: whoever may write to it may use all of the API. The host in the URL is ignored.
//
//	curl --unix-socket /run/vxtap/vxtap.sock http://vxtap/v1/node
//
// # Requests
//
//	GET    /v1/node                     200  Node: addresses, offloads, networks, ports
//	GET    /v1/stats                    200  Stats: every counter of every network
//	POST   /v1/networks                 200  body Words, answer Network: makes a network
//	GET    /v1/networks/{vni}           200  Network
//	DELETE /v1/networks/{vni}           204  takes it down, whoever made it
//	GET    /v1/networks/{vni}/ports     200  array of Port
//	POST   /v1/networks/{vni}/ports     200  body PortSpec, answer Port: makes a device and puts it on
//	DELETE /v1/networks/{vni}/ports/{p} 204  removes a port that was put on so, and its device
//	GET    /v1/networks/{vni}/fdb       200  array of FDBEntry; the flood list comes first
//	POST   /v1/networks/{vni}/fdb       204  body FDBChange: adds, appends or replaces
//	DELETE /v1/networks/{vni}/fdb?mac=M 204  removes one MAC's learned or static entry
//	POST   /v1/networks/{vni}/fdb/flush 200  body FDBFlush, answer FDBFlushed
//	POST   /v1/capture                  200  body Capture, answer a pcapng section that goes on
//	GET    /v1/keys                     200  Keys: peers of sealed networks, and their sessions
//	POST   /v1/keys/rotate              200  body KeysRotate, answer KeysRotated
//	POST   /v1/reload                   200  Reloaded: what a new reading of the file changed
//	GET    /v1/events                   200  a stream of Event
//
// {vni} is the VNI in decimal, {p} the name of a port, as in a URL. HEAD is answered where GET is.
//
// A network is described in the words of vxtap up, of which those about the node have to
// agree with how it runs. It stays until it is removed. With ?lease=true it stays for as
// long as the connection of the request: the answer is a stream, first the Network, and at
// last, should it be taken down by others, an error.
//
//	{"vni": 42, "remote": ["10.9.0.2", "10.9.0.3"], "address": "192.168.77.1/24", "closed": true}
//
// A network has a device of its own, unless it is said to have none ("tap": "none"), and any
// number of further ports: each a device that is made under the name asked for, in a
// namespace that is named ("netns", by name or path) or that a process is in ("pid"), with
// its addresses and routes. All but the device's name may be left out. Where a name for the
// port is left out, it is that of the device, with that of its namespace: eth0@red. A port
// stays until it is removed, or its device, its namespace or its network goes away.
//
//	{"netns": "red", "device": "eth0", "addresses": ["192.168.77.5/24"],
//	 "routes": [{"to": "0.0.0.0/0", "via": "192.168.77.1"}]}
//
// A port can also be an interface that the host has, or a VLAN on it, which keeps all that it
// has and has its machines on the network:
//
//	{"kind": "interface", "device": "eth1.100"}
//
// A stream is one JSON object a line, until either side closes the connection. Events that
// a slow reader had no room for are counted in the next one's "missed".
//
// A change names what is to be done ("add", "append" or "replace"), the MAC, and the
// VTEP that holds it. dst_port may be left out: then it is the agent's own port. The
// zero MAC stands for the flood list.
//
//	{"op": "append", "mac": "00:00:00:00:00:00", "dst": "10.9.0.3"}
//	{"op": "replace", "mac": "02:42:c0:a8:4d:02", "dst": "10.9.0.2", "dst_port": 4790}
//
// DELETE takes mac, and optionally dst and dst_port, in the query: with dst, only an
// entry that leads there is removed. For the zero MAC, dst is required.
//
// A flush removes the learned and static entries to which every given field applies,
// and answers how many: {"removed": 3}. The empty object flushes all of them; the flood
// list, controlled entries and ports of the node stay.
//
//	{"class": "learned", "dst": "10.9.0.2"}
//
// Keys are rotated with one peer, named by its public key, its VTEP's address or both, or
// with every peer for the empty object; {"peers": 2} says with how many. It is answered
// when new keys were asked for; a peer's epoch goes up when they are there. No answer
// carries a secret.
//
//	{"vtep": "10.9.0.2"}
//
// A capture is a pcapng file that goes on until the connection is closed, or half of it: then
// the agent sends what it still has, and ends it. Stages are "tap", "wire" and "dropped". How
// many packets were missed is said in statistics blocks.
//
//	{"stages": ["tap", "dropped"], "vni": 42, "filter": "tcp port 80"}
//
// # Values
//
// Addresses and MACs are strings. Times are RFC 3339; durations are whole seconds under
// names that end in _seconds. Counters are numbers that only grow while the agent runs;
// every drop reason is present by name, also at zero. A field without a value is left
// out. The types in this package name every field.
//
// # Errors
//
// Every answer but 200 and 204 has a body that says in one line what was wrong, with
// the offending value:
//
//	{"error": "02:42:c0:a8:4d:02 on network 42: not found"}
//
//	400  the request contradicts this page: a bad value, an unknown field, one given
//	     twice, no JSON
//	404  no such path, network, port, entry or peer
//	405  the path does not know the method; the Allow header says which it knows
//	409  the entry, network or port exists already, one of a higher class stands in its place,
//	     the port is its network's own, or the agent runs in another way than a word says
//	413  the body is larger than 1 MiB
//	422  the configuration has a mistake, and everything stays as it was
//	500  the agent failed
//
// # Versions
//
// Within /v1, fields and paths are only ever added, so a client must ignore fields of
// an answer that it does not know. The server refuses unknown fields of a request: a
// misspelt filter must not flush a whole table. What would break a client gets /v2.
package api
