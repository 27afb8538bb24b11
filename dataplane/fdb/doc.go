// Package fdb is a forwarding table: it says which destination holds a MAC, for one
// network. It keeps static, controlled, local and learned entries by precedence, ages
// and caps the learned ones, and holds the flood list for frames whose destination is
// not known.
//
// The table never looks into a destination. It keeps pointers, and two entries lead to
// the same place if and only if their pointers are equal: its user interns them, and is
// told when the last use of one is gone.
//
// # Readers and the writer
//
// Workers read ([Table.Lookup], [Table.Learned], [Table.Flood]) from any number of
// goroutines without locks and without allocation. Everything else that changes the
// table takes its mutex. Entries lie in an array of slots with linear probing:
//
//	key      the MAC; written once, never changed while the array is in use
//	binding  the class and destination; nil once the entry is deleted
//	seen     when the MAC last sent something, in coarse seconds from when the process
//	         began; they may wrap
//
// As a slot never passes from one MAC to another, a reader cannot pair a MAC with
// another's destination. A deleted entry leaves its slot behind for the same MAC. When
// such slots and live ones fill half of the array, a new one is built beside it without
// the dead and published whole, so that no live entry is ever out of sight.
//
// A million entries take 48 MB: slots of 24 bytes, at most half of them in use.
package fdb
