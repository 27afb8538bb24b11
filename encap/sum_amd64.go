package encap

// sumBlocks is [sumBlocksPortable] in assembly, twice as fast or more.
//
//go:noescape
func sumBlocks(b []byte) uint64
