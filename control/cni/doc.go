// Package cni is a plugin of the Container Network Interface, versions 0.4.0, 1.0.0 and
// 1.1.0 of its specification. A runtime runs it for each container that comes or goes; it
// asks the agent, over its socket, for a port in the container's namespace, and an address
// plugin (ipam) for addresses.
//
// # Configuration
//
//	{
//	  "cniVersion": "1.0.0",
//	  "name": "lab",
//	  "plugins": [{
//	    "type": "vxtap",
//	    "vni": 42, "remote": ["10.9.0.2"], "address": "192.168.77.1/24",
//	    "capabilities": {"ips": true, "mac": true, "aliases": true, "dns": true},
//	    "ipam": {"type": "host-local", "ranges": [[{"subnet": "192.168.77.0/24", "rangeStart": "192.168.77.10", "rangeEnd": "192.168.77.99", "gateway": "192.168.77.1"}]]}
//	  }]
//	}
//
// Beside CNI's own keys there are the words of vxtap up, of which only vni is required,
// and socket, the path of the agent's. The first container has the network made so, and it
// goes with the last one. One that is there already, made by vxtap run or Docker perhaps, is
// joined, and has to be as the words say. Without tap and address the host itself is not
// on the network; with an address it is, and can be the containers' gateway.
//
// Without ipam, addresses are those that the runtime asks for (capability ips, with their
// prefix lengths), or none.
//
// # Who removes what
//
// A port is named after the attachment, IFNAME@CONTAINERID, and belongs to the network's
// name. DEL removes it and has the address released, whatever of it is there; GC does so for
// all that the runtime does not name. An agent removes a port by itself when its namespace
// goes away, and all of them when it ends: so DEL and GC succeed where no agent runs.
//
// ADD leaves nothing when it fails. Killed at whatever step, it leaves what DEL removes; a
// DEL that follows at once waits until what the killed one had begun has ended.
//
// # Error codes
//
// Those of the specification are used in its sense; 3 for a namespace that is not there, 4
// for a bad variable, an interface name that is taken too, 11 where no agent answers. The
// plugin's own are 100, the agent failed, and 101, CHECK found that something is missing.
package cni
