package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// transferBlock is what one write holds, and one read at most.
const transferBlock = 256 << 10

// Transfer carries bytes over one TCP connection from one host to another, which listens
// at addr for that long; with port 0 at any port.
func Transfer(ctx context.Context, from, to *Host, addr netip.AddrPort, cfg TransferConfig) (Result, error) {
	if (cfg.Bytes > 0) == (cfg.Duration > 0) {
		return Result{}, fmt.Errorf("transfer to %v: give either bytes (%d) or a duration (%v)", addr, cfg.Bytes, cfg.Duration)
	}
	res, err := transfer(ctx, from, to, addr, cfg)
	if err != nil {
		return res, fmt.Errorf("transfer from host %s to %v: %w", from.Name(), addr, errors.Join(ctx.Err(), err))
	}
	return res, nil
}

func transfer(ctx context.Context, from, to *Host, addr netip.AddrPort, cfg TransferConfig) (Result, error) {
	out, in, err := connect(ctx, from, to, addr)
	if err != nil {
		return Result{}, err
	}
	defer out.Close()
	defer in.Close()
	stop := context.AfterFunc(ctx, func() {
		out.Close()
		in.Close()
	})
	defer stop()

	start := time.Now()
	sent := make(chan outcome, 1)
	go func() {
		n, err := sendBlocks(out, cfg)
		sent <- outcome{n, errors.Join(err, out.Close())}
	}()
	got, err := receiveBlocks(in, cfg)
	res := Result{Bytes: got, Elapsed: time.Since(start)}
	if err != nil {
		in.Close() // and so the sender ends, too
	}
	s := <-sent
	switch {
	case err != nil:
		return res, err
	case s.err != nil:
		return res, s.err
	case s.bytes != got:
		return res, fmt.Errorf("%d bytes were sent and %d arrived", s.bytes, got)
	}
	return res, nil
}

// outcome is how sending ended.
type outcome struct {
	bytes int64
	err   error
}

// connect returns both ends of a connection.
func connect(ctx context.Context, from, to *Host, addr netip.AddrPort) (out, in net.Conn, err error) {
	ln, err := to.Listen("tcp", addr.String())
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	// A connection that is dialled waits in the listener's queue to be accepted.
	out, err = from.DialContext(ctx, "tcp", ln.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	in, err = ln.Accept()
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return out, in, nil
}

// sendBlocks writes the pattern over and over, as much as cfg asks for.
func sendBlocks(w io.Writer, cfg TransferConfig) (int64, error) {
	block := pattern()[:transferBlock]
	deadline := time.Now().Add(cfg.Duration)
	var sent int64
	for {
		b := block
		if cfg.Duration > 0 {
			if time.Now().After(deadline) {
				return sent, nil
			}
		} else {
			b = block[:min(transferBlock, cfg.Bytes-sent)]
		}
		n, err := w.Write(b)
		sent += int64(n)
		if err != nil || sent == cfg.Bytes {
			return sent, err
		}
	}
}

// receiveBlocks reads to the end.
func receiveBlocks(r io.Reader, cfg TransferConfig) (int64, error) {
	buf, want := make([]byte, transferBlock), pattern()
	var got int64
	for {
		n, err := r.Read(buf)
		// A read starts anywhere in a block, and may reach into the next.
		if at := got % transferBlock; cfg.Verify && !bytes.Equal(buf[:n], want[at:at+int64(n)]) {
			return got, fmt.Errorf("wrong data among the %d bytes behind byte %d", n, got)
		}
		got += int64(n)
		if cfg.Progress != nil && n > 0 {
			cfg.Progress(got)
		}
		switch {
		case errors.Is(err, io.EOF):
			return got, nil
		case err != nil:
			return got, err
		}
	}
}

// pattern returns one block of random bytes, always the same, twice.
func pattern() []byte {
	rng := rand.New(rand.NewPCG(4789, 7348))
	block := make([]byte, 0, 2*transferBlock)
	for len(block) < transferBlock {
		v := rng.Uint64()
		block = append(block, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return append(block, block...)
}
