//go:build !amd64

package encap

// sumBlocks adds up blocks of 64 bytes.
func sumBlocks(b []byte) uint64 { return sumBlocksPortable(b) }
