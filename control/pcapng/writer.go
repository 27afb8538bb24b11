// Package pcapng writes capture files in the format of Wireshark's choice (pcapng,
// draft-ietf-opsawg-pcapng), with a comment for each packet that is to have one.
package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Block types.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockStats     = 5
	blockPacket    = 6
)

// Options, of any block and of those of one type.
const (
	optEnd     = 0
	optComment = 1

	optSectionApp = 4 // shb_userappl

	optIfName        = 2
	optIfDescription = 3
	optIfResolution  = 9

	optPacketFlags = 2

	optStatsReceived = 4
	optStatsDropped  = 5
)

const (
	byteOrder   = 0x1a2b3c4d
	nanoseconds = 9 // decimal digits behind the second
)

// LinkType says how the packets of an interface begin.
type LinkType uint16

// Link types, of the registry at tcpdump.org.
const (
	Ethernet LinkType = 1
	RawIP    LinkType = 101 // an IPv4 or IPv6 header
)

// Interface describes where packets were captured.
type Interface struct {
	Name        string
	Description string
	Link        LinkType
	SnapLen     int // bytes of a packet that are kept at most; 0 means all
}

// Direction is which way a packet went.
type Direction uint32

// Directions, as the flags of a packet have them.
const (
	Unknown Direction = iota
	Inbound
	Outbound
)

// Packet is one that was captured.
type Packet struct {
	Interface int // as AddInterface returned it
	Time      time.Time
	Direction Direction
	Length    int    // in bytes, on its way
	Data      []byte // what was kept of it
	Comment   string // none if empty
}

// Writer writes a section. A block is one call to the underlying writer, so that what
// was written is whole whenever it ends. An error is the underlying writer's, and lasts.
type Writer struct {
	w          io.Writer
	block      []byte
	interfaces int
	err        error
}

// NewWriter begins a section; application is the name of who writes it.
func NewWriter(w io.Writer, application string) (*Writer, error) {
	p := &Writer{w: w}
	p.begin(blockSection)
	p.u32(byteOrder)
	p.u16(1) // version 1.0
	p.u16(0)
	p.u32(0xffffffff) // of unknown length
	p.u32(0xffffffff)
	p.text(optSectionApp, application)
	return p, p.end()
}

// AddInterface describes an interface and returns its number.
func (p *Writer) AddInterface(i Interface) (int, error) {
	p.begin(blockInterface)
	p.u16(uint16(i.Link))
	p.u16(0)
	p.u32(uint32(i.SnapLen))
	p.text(optIfName, i.Name)
	p.text(optIfDescription, i.Description)
	p.option(optIfResolution, []byte{nanoseconds})
	p.interfaces++
	return p.interfaces - 1, p.end()
}

// WritePacket writes a packet.
func (p *Writer) WritePacket(k *Packet) error {
	if k.Interface < 0 || k.Interface >= p.interfaces {
		return fmt.Errorf("packet of interface %d: there are %d", k.Interface, p.interfaces)
	}
	p.begin(blockPacket)
	p.u32(uint32(k.Interface))
	p.time(k.Time)
	p.u32(uint32(len(k.Data)))
	p.u32(uint32(k.Length))
	p.bytes(k.Data)
	p.text(optComment, k.Comment)
	if k.Direction != Unknown {
		p.option(optPacketFlags, binary.LittleEndian.AppendUint32(nil, uint32(k.Direction)))
	}
	return p.end()
}

// WriteStats says how many packets of an interface there were up to now, and how many of
// them were missed.
func (p *Writer) WriteStats(number int, at time.Time, received, missed uint64) error {
	p.begin(blockStats)
	p.u32(uint32(number))
	p.time(at)
	p.option(optStatsReceived, binary.LittleEndian.AppendUint64(nil, received))
	p.option(optStatsDropped, binary.LittleEndian.AppendUint64(nil, missed))
	return p.end()
}

func (p *Writer) begin(kind uint32) {
	p.block = p.block[:0]
	p.u32(kind)
	p.u32(0) // the length, filled in at the end
}

// end closes the block and writes it.
func (p *Writer) end() error {
	p.u16(optEnd)
	p.u16(0)
	n := uint32(len(p.block) + 4)
	binary.LittleEndian.PutUint32(p.block[4:], n)
	p.u32(n)
	if p.err == nil {
		_, p.err = p.w.Write(p.block)
	}
	return p.err
}

func (p *Writer) u16(v uint16) { p.block = binary.LittleEndian.AppendUint16(p.block, v) }
func (p *Writer) u32(v uint32) { p.block = binary.LittleEndian.AppendUint32(p.block, v) }

// time appends nanoseconds since 1970, the upper half first.
func (p *Writer) time(t time.Time) {
	n := uint64(t.UnixNano())
	p.u32(uint32(n >> 32))
	p.u32(uint32(n))
}

// bytes appends b, up to a multiple of four.
func (p *Writer) bytes(b []byte) {
	p.block = append(p.block, b...)
	p.block = append(p.block, make([]byte, -len(b)&3)...)
}

func (p *Writer) option(code uint16, value []byte) {
	p.u16(code)
	p.u16(uint16(len(value)))
	p.bytes(value)
}

// maxText is the most that an option can hold.
const maxText = 0xffff

// text appends an option unless it is empty.
func (p *Writer) text(code uint16, s string) {
	if s != "" {
		p.option(code, []byte(s[:min(len(s), maxText)]))
	}
}
