// Package docker makes an agent a network driver and an address manager (IPAM driver) of
// Docker engines, by the protocol of their plugins: JSON over a unix socket in a directory
// that engines look into.
//
//	docker network create -d vxtap -o vni=42 -o remote=10.9.0.2 --subnet 10.1.0.0/16 lab
//
// A Docker network is a network of the agent without a device of its own, and a container on
// it a port: its TAP is made where agent and engine run, and the engine takes it into the
// container, names it, and sets its addresses. There is no veth and no bridge.
//
// What an engine asked for is kept in a file, so that an agent that was restarted puts the
// containers on their networks again that still run. What an engine asked for twice, or has
// removed that is not there, is no error: it may have been killed in between, as we may.
//
// A container that ended while the agent was down is forgotten at the next start, with its
// addresses. What an engine that was killed had asked for and not noted itself stays: a network
// until somebody takes it down, a pool until IpamDriver.ReleasePool names it.
//
// Which addresses are whose across hosts is [control.Cluster]'s to say.
package docker
