package pcapng

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Counts is what a section says of itself.
type Counts struct {
	Packets uint64 // that are in it
	Missed  uint64 // that were not captured, by the latest word on it
}

// ErrFormat is returned for what is no section of a [Writer].
var ErrFormat = errors.New("this is no capture")

const (
	minBlock = 12
	maxBlock = 1 << 20
)

// Copy writes the section that it reads, whole blocks only, so that dst is a sound file
// wherever src ends, and tells what is in it. It returns a nil error when src ended between
// two blocks, a [WriteError] if dst failed, and else what src returned.
func Copy(dst io.Writer, src io.Reader) (c Counts, err error) {
	r := bufio.NewReaderSize(src, 256<<10)
	var block []byte
	for first := true; ; first = false {
		head, err := r.Peek(8)
		switch {
		case err == io.EOF && len(head) == 0:
			return c, nil
		case err == io.EOF:
			return c, io.ErrUnexpectedEOF
		case err != nil:
			return c, err
		}
		kind, size := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		if size < minBlock || size > maxBlock || size%4 != 0 || first && kind != blockSection {
			return c, fmt.Errorf("%w: a block of type %#x and %d bytes", ErrFormat, kind, size)
		}
		if cap(block) < int(size) {
			block = make([]byte, size)
		}
		block = block[:size]
		if _, err := io.ReadFull(r, block); err != nil {
			return c, err
		}
		if _, err := dst.Write(block); err != nil {
			return c, &WriteError{err}
		}
		c.note(kind, block)
	}
}

// note takes notice of a block.
func (c *Counts) note(kind uint32, block []byte) {
	switch kind {
	case blockPacket:
		c.Packets++
	case blockStats:
		const options = 20 // behind type, length, interface and time
		for b := block[min(options, len(block)):]; len(b) >= 12; {
			code, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
			if code == optStatsDropped && n == 8 {
				c.Missed = binary.LittleEndian.Uint64(b[4:])
			}
			b = b[min(4+(n+3)&^3, len(b)):]
		}
	}
}

// WriteError is an error of the writer that was copied to.
type WriteError struct{ Err error }

// Error implements error.
func (e *WriteError) Error() string { return e.Err.Error() }

// Unwrap returns the writer's own error.
func (e *WriteError) Unwrap() error { return e.Err }
