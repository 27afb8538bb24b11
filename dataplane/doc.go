// Package dataplane is the VTEP: it carries Ethernet frames between the ports of a
// network on this node and the VTEPs that share its VNI.
package dataplane
