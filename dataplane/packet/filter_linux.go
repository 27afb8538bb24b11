package packet

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// wholeFrame is what a filter returns for frames to keep: more bytes than any has.
const wholeFrame = 1 << 18

// nothing keeps no frame.
var nothing = []bpf.Instruction{bpf.RetConstant{Val: 0}}

// wanted keeps what a bridge would forward from a port:
//
//   - not what this host sends through the interface, ourselves included. The kernel is told
//     of that by PACKET_IGNORE_OUTGOING too, which is cheaper; kernels before 4.20 are not;
//   - not what is for the bridge at the other end of the cable alone: the addresses
//     01-80-C2-00-00-01 to -0F (IEEE 802.1Q table 8-1: flow control, LACP, 802.1X, LLDP).
//     Spanning trees, -00, pass as through a hub, so that loops are found;
//   - with a VLAN, nothing but that.
func wanted(vlan uint16) []bpf.Instruction {
	var p []bpf.Instruction
	drop := func(when bpf.JumpTest, value uint32) { // by a return right behind
		p = append(p, bpf.JumpIf{Cond: when, Val: value, SkipFalse: 1}, bpf.RetConstant{Val: 0})
	}
	p = append(p, bpf.LoadExtension{Num: bpf.ExtType})
	drop(bpf.JumpEqual, unix.PACKET_OUTGOING)
	if vlan != 0 {
		p = append(p, bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
		drop(bpf.JumpEqual, 0)
		p = append(p, bpf.LoadExtension{Num: bpf.ExtVLANProto})
		drop(bpf.JumpNotEqual, encap.EtherTypeVLAN)
		p = append(p, bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff})
		drop(bpf.JumpNotEqual, uint32(vlan))
	}
	return append(p,
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0180c200, SkipFalse: 4},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 0x000f, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: wholeFrame},
	)
}

// setFilter has a socket keep what a program keeps, in the place of what it kept before.
func setFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble a filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	f := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f); err != nil {
		return fmt.Errorf("SO_ATTACH_FILTER: %w", err)
	}
	return nil
}
