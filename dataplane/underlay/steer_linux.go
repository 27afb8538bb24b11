package underlay

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// steer has the kernel choose among n sockets that share a port by [steering]. fd is any
// of them, with all bound: the program belongs to the group. The kernel numbers a group's
// sockets in the order in which they were bound (reuseport_add_sock in Linux); the first,
// which shares only since after its bind, is number 0, as it is taken into the group when
// the second is bound to it.
//
// If it is refused, sealed data goes by the kernel's hash of addresses and ports, as all
// else does and as what came before the program was there. That is correct, only slower:
// a flow still stays with a queue, and replay windows have locks, which workers then
// contend for.
func steer(fd, n int) error {
	program, err := steering(n)
	if err != nil {
		return err
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		return fmt.Errorf("setting SO_ATTACH_REUSEPORT_CBPF: %w", err)
	}
	return nil
}

// steering is a program that returns the queue of a datagram, or a number that no queue
// has, at which the kernel goes by its hash (reuseport_select_sock in Linux):
//
//   - sealed data and keepalives: the sender's queue modulo n, so that what a queue of the
//     sender counted is checked for replays by one worker,
//   - handshakes: 0,
//   - everything else, plain VXLAN above all: none.
//
// Offset 0 is the UDP payload. A load beyond its end ends the program with 0, so what is
// empty, and sealed data that is too short to say its queue, comes to queue 0, where it is
// counted and dropped as in any other. A train is steered by its first datagram; all of it
// is of one sender and queue.
func steering(n int) ([]unix.SockFilter, error) {
	const byHash = 0xffffffff
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1}, // the type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: encap.SealedData, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: encap.SealedKeepalive, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: encap.SealedInitiation, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: encap.SealedCookie, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: byHash},
		bpf.LoadAbsolute{Off: encap.SealedQueueOffset, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(n)},
		bpf.RetA{},
	})
	if err != nil {
		return nil, fmt.Errorf("assembling the steering program: %w", err)
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return program, nil
}
