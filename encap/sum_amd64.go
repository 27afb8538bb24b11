package encap

// sumBlocks is [sumBlocksPortable] in assembly: twice as fast for what fills a packet,
// and no slower for a single block.
//
//go:noescape
func sumBlocks(b []byte) uint64
