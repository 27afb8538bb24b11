// Package ipam gives out the addresses of pools: subnets, or ranges within them. A [Book] is
// plain data that can be written down as it is; whoever keeps it sees to it that one at a
// time changes it, and that others do not give out the same.
package ipam
