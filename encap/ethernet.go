package encap

// Ethernet header sizes in bytes.
const (
	EthernetSize = 14 // destination, source, type
	VLANTagSize  = 4  // IEEE 802.1Q
)
