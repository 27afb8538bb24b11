package tap

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// Registers of the program. Loads from the packet take their context from r6, and leave
// what they read in r0, in the byte order of the host.
const (
	r0, r1 = 0, 1
	packet = 6
	hash   = 7
)

// golden spreads what is multiplied by it over the upper bits (2^32 divided by the golden
// ratio, Knuth's multiplicative hashing).
const golden = -0x61c88647 // 0x9e3779b9

// assembler collects instructions. Jumps go forward, to labels by their names.
type assembler struct {
	skipped int32 // bytes of the frame that are not there: of a TUN, the Ethernet header
	program []instruction
	jumps   map[int]string
	labels  map[string]int
}

// steering is a program that returns a hash of a frame's IP addresses and, of TCP and UDP,
// ports; of other frames, of their MACs. Fragments have no ports but the first, so that
// none of them are looked at. A frame that is too short for its headers ends the program
// with 0. The kernel takes the result modulo the number of queues. Of a TUN's packets the
// Ethernet header is skipped.
func steering(skipped int) []instruction {
	a := &assembler{skipped: int32(skipped), jumps: map[int]string{}, labels: map[string]int{}}
	a.emit(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_X, packet, r1, 0)
	a.emit(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_K, hash, 0, 0)
	a.jumpByType()

	a.mix(26, 30)          // addresses
	a.load(unix.BPF_H, 20) // flags and fragment offset
	a.emit(unix.BPF_ALU64|unix.BPF_AND|unix.BPF_K, r0, 0, 0x3fff)
	a.jump(unix.BPF_JNE, 0, "end")
	a.load(unix.BPF_B, 23) // protocol
	a.jump(unix.BPF_JEQ, unix.IPPROTO_TCP, "IPv4 ports")
	a.jump(unix.BPF_JNE, unix.IPPROTO_UDP, "end")
	a.label("IPv4 ports")
	a.load(unix.BPF_B, 14) // header length in words
	a.emit(unix.BPF_ALU64|unix.BPF_AND|unix.BPF_K, r0, 0, 0xf)
	a.emit(unix.BPF_ALU64|unix.BPF_LSH|unix.BPF_K, r0, 0, 2)
	a.emit(unix.BPF_LD|unix.BPF_IND|unix.BPF_W, 0, r0, 14-a.skipped)
	a.add()
	a.jump(unix.BPF_JA, 0, "end")

	a.label("IPv6")
	a.mix(22, 26, 30, 34, 38, 42, 46, 50) // addresses
	a.load(unix.BPF_B, 20)                // next header
	a.jump(unix.BPF_JEQ, unix.IPPROTO_TCP, "IPv6 ports")
	a.jump(unix.BPF_JNE, unix.IPPROTO_UDP, "end")
	a.label("IPv6 ports")
	a.mix(54)
	a.jump(unix.BPF_JA, 0, "end")

	a.label("MACs")
	if skipped == 0 {
		a.mix(2, 8) // the last four bytes of each, nearly
	}
	a.label("end")
	a.emit(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_X, r0, hash, 0)
	a.emit(unix.BPF_ALU64|unix.BPF_MUL|unix.BPF_K, r0, 0, golden)
	a.emit(unix.BPF_ALU64|unix.BPF_RSH|unix.BPF_K, r0, 0, 32)
	a.emit(unix.BPF_JMP|unix.BPF_EXIT, 0, 0, 0)
	return a.finish()
}

// jumpByType goes to where frames of each type are looked at, and on with IPv4. Without an
// Ethernet header, the version in the first byte tells them apart.
func (a *assembler) jumpByType() {
	const ipv4, ipv6 = 4, 6
	if a.skipped == 0 {
		a.load(unix.BPF_H, 12)
		a.jump(unix.BPF_JEQ, encap.EtherTypeIPv6, "IPv6")
		a.jump(unix.BPF_JNE, encap.EtherTypeIPv4, "MACs")
		return
	}
	a.load(unix.BPF_B, a.skipped)
	a.emit(unix.BPF_ALU64|unix.BPF_RSH|unix.BPF_K, r0, 0, 4)
	a.jump(unix.BPF_JEQ, ipv6, "IPv6")
	a.jump(unix.BPF_JNE, ipv4, "MACs")
}

func (a *assembler) emit(code, dst, src uint8, immediate int32) {
	registers := dst | src<<4
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big-endian
		registers = dst<<4 | src
	}
	a.program = append(a.program, instruction{code: code, registers: registers, immediate: immediate})
}

// load reads a number at an offset of the frame.
func (a *assembler) load(size uint8, offset int32) {
	a.emit(unix.BPF_LD|unix.BPF_ABS|size, 0, 0, offset-a.skipped)
}

// add brings what was loaded into the hash.
func (a *assembler) add() {
	a.emit(unix.BPF_ALU64|unix.BPF_MUL|unix.BPF_K, hash, 0, golden)
	a.emit(unix.BPF_ALU64|unix.BPF_ADD|unix.BPF_X, hash, r0, 0)
}

// mix brings the words at some offsets into the hash.
func (a *assembler) mix(offsets ...int32) {
	for _, offset := range offsets {
		a.load(unix.BPF_W, offset)
		a.add()
	}
}

// jump goes to a label if r0 compares with a value.
func (a *assembler) jump(condition uint8, value int32, label string) {
	a.jumps[len(a.program)] = label
	a.emit(unix.BPF_JMP|condition|unix.BPF_K, r0, 0, value)
}

func (a *assembler) label(name string) { a.labels[name] = len(a.program) }

// finish fills in where the jumps go, counted from the instruction behind each.
func (a *assembler) finish() []instruction {
	for at, label := range a.jumps {
		a.program[at].offset = int16(a.labels[label] - at - 1)
	}
	return a.program
}
