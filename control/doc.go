// Package control is the agent: it turns what a user asked for into a running VTEP,
// keeps the two in step, and answers for it on the local API (package control/api).
//
// The agent opens nothing itself. Devices and sockets come from [Drivers], which the
// command wires.
package control
