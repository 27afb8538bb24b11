// Package station makes an Ethernet station of a device that carries IP packets, so that
// nobody on the wire can tell it from one with an Ethernet interface.
//
// A packet from the device gets an Ethernet header: to the group that it is for, or to the
// neighbour that takes it on. Who that is follows from the routes of the interface, and the
// neighbour's MAC is asked for, by ARP (RFC 826) or neighbour discovery (RFC 4861). Until it
// is known packets wait, within bounds; when nobody answers they are refused, and so are
// those that follow within some seconds.
//
// Of the frames from the wire, those for the station and for groups go to the device, if
// they hold IP packets. Questions about the interface's own addresses are answered, probes
// for duplicates among them. About others it says nothing, and it announces nothing unasked,
// as Linux does not by default.
//
// Only those who were asked are believed. Whoever asks for an address of ours is a neighbour
// too, unless that contradicts what is known; contradictions, of whatever kind, only make
// the station ask again.
//
// Workers look neighbours up without locks. One goroutine, the clerk, asks, answers, and
// keeps the time; and those packets that have to wait go through a lock.
package station
