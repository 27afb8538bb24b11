package mem_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// ether is a frame of n bytes, filled with b.
func ether(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }

// write writes frames, all of which must be taken.
func write(t testing.TB, p *mem.Port, frames ...encap.Frame) {
	t.Helper()
	if n, err := p.Write(frames); n != len(frames) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

// slab is n frames to read into, with buffers of size bytes.
func slab(n, size int) []encap.Frame {
	frames := make([]encap.Frame, n)
	for i := range frames {
		frames[i].Data = make([]byte, size)
	}
	return frames
}

func TestPortReadsWhatWasInjected(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{})
	partial := encap.Offload{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16}
	first := ether(60, 1)
	p.Inject(first, encap.Offload{})
	p.Inject(ether(90, 2), partial)
	clear(first) // the port has its own copy

	frames := slab(3, 100)
	n, err := p.Read(frames)
	if n != 2 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	if !bytes.Equal(frames[0].Data, ether(60, 1)) || !bytes.Equal(frames[1].Data, ether(90, 2)) {
		t.Errorf("read %x and %x", frames[0].Data, frames[1].Data)
	}
	if frames[1].Offload != partial {
		t.Errorf("offload %+v, want %+v", frames[1].Offload, partial)
	}
	if n, err := p.Read(slab(1, 100)); n != 0 || err != nil {
		t.Errorf("Read of an empty port = %d, %v", n, err)
	}
}

func TestPortReadIntoShortBuffer(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{})
	for _, n := range []int{60, 200, 61} {
		p.Inject(ether(n, 0), encap.Offload{})
	}
	if n, err := p.Read(slab(3, 100)); n != 1 || err != nil {
		t.Fatalf("Read before the long frame = %d, %v", n, err)
	}
	if n, err := p.Read(slab(3, 100)); n != 0 || !errors.Is(err, io.ErrShortBuffer) {
		t.Fatalf("Read of the long frame = %d, %v", n, err)
	}
	frames := slab(3, 100)
	if n, err := p.Read(frames); n != 1 || err != nil || len(frames[0].Data) != 61 {
		t.Fatalf("Read behind the long frame = %d, %v", n, err)
	}
}

func TestPortInjectHasNoBackPressure(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{Depth: 2, MTU: 100})
	results := []bool{
		p.Inject(ether(123, 0), encap.Offload{}), // over the MTU, VLAN tags and all
		p.Inject(ether(122, 0), encap.Offload{}),
		p.Inject(ether(9000, 0), encap.Offload{GSO: encap.GSOTCP4}), // cut later
		p.Inject(ether(60, 0), encap.Offload{}),                     // full
	}
	for i, want := range []bool{false, true, true, false} {
		if results[i] != want {
			t.Errorf("Inject %d = %v", i, results[i])
		}
	}
	if c := p.Counts(); c.Injected != 2 || c.InjectDropped != 2 {
		t.Errorf("counts %+v", c)
	}
}

func TestPortNotify(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{})
	calls := 0
	p.Notify(func() { calls++ })
	step := func(what string, want int, do func()) {
		t.Helper()
		calls = 0
		do()
		if calls != want {
			t.Errorf("%s: %d calls, want %d", what, calls, want)
		}
	}
	inject := func() { p.Inject(ether(60, 0), encap.Offload{}) }
	step("empty to readable", 1, inject)
	step("readable already", 0, inject)
	step("set while readable", 1, func() { p.Notify(func() { calls++ }) })
	step("read", 0, func() {
		if n, err := p.Read(slab(4, 100)); n != 2 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
	step("readable again", 1, inject)
	step("closed", 1, func() { p.Close() })
	step("closed again", 0, func() { p.Close() })
	step("set while closed", 1, func() { p.Notify(func() { calls++ }) })
}

func TestPortWriteGathersAndCopies(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{Offloads: encap.OffloadTSO})
	super := encap.Offload{NeedsCSUM: true, GSO: encap.GSOTCP6, SegmentSize: 1000}
	head, tail := ether(54, 1), ether(3000, 2)
	f := []encap.Frame{{Data: head, More: [][]byte{nil, tail}, Offload: super}}
	if n, err := p.Write(f); n != 1 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	want := append(bytes.Clone(head), tail...)
	clear(head)
	clear(tail)

	got, err := p.Receive(t.Context())
	if err != nil || !bytes.Equal(got.Data, want) || got.More != nil || got.Offload != super {
		t.Errorf("received %d bytes %+v, %v", len(got.Data), got.Offload, err)
	}
}

func TestPortWriteErrors(t *testing.T) {
	broken := errors.New("broken")
	fine := encap.Frame{Data: ether(60, 0)}
	closed := mem.NewPort(mem.PortConfig{})
	closed.Close()
	full := mem.NewPort(mem.PortConfig{Depth: 1})
	write(t, full, fine)
	shrunk := mem.NewPort(mem.PortConfig{Offloads: encap.OffloadCSUM})
	shrunk.SetOffloads(0)
	scripted := mem.NewPort(mem.PortConfig{FailWrite: func(f *encap.Frame) error {
		if f.Data[0] == 0xee {
			return broken
		}
		return nil
	}})

	tests := []struct {
		name string
		port *mem.Port
		bad  encap.Frame
		want error
	}{
		{"closed", closed, fine, net.ErrClosed},
		{"full", full, fine, syscall.ENOBUFS},
		{"offload", shrunk, encap.Frame{Data: ether(60, 0), Offload: encap.Offload{NeedsCSUM: true}}, errors.ErrUnsupported},
		{"scripted", scripted, encap.Frame{Data: ether(60, 0xee)}, broken},
		{"empty", mem.NewPort(mem.PortConfig{}), encap.Frame{}, syscall.EINVAL},
		{"runt", mem.NewPort(mem.PortConfig{}), encap.Frame{Data: ether(13, 0)}, syscall.EINVAL},
		{"over MTU", mem.NewPort(mem.PortConfig{MTU: 100}), encap.Frame{Data: ether(100, 0), More: [][]byte{ether(23, 0)}}, syscall.EMSGSIZE},
		{"over everything", mem.NewPort(mem.PortConfig{}), encap.Frame{Data: ether(encap.MaxFrame+1, 0)}, syscall.EMSGSIZE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.port.Counts().Refused
			n, err := tt.port.Write([]encap.Frame{tt.bad, fine})
			if n != 0 || !errors.Is(err, tt.want) {
				t.Errorf("Write = %d, %v; want %v", n, err, tt.want)
			}
			if got := tt.port.Counts().Refused - before; got != 1 {
				t.Errorf("%d refused", got)
			}
		})
	}
}

func TestPortWriteErrorIsAboutOneFrame(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{})
	frames := []encap.Frame{{Data: ether(60, 1)}, {Data: ether(5, 2)}, {Data: ether(60, 3)}}
	n, err := p.Write(frames)
	if n != 1 || err == nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if n, err = p.Write(frames[n+1:]); n != 1 || err != nil {
		t.Fatalf("Write behind it = %d, %v", n, err)
	}
	if c := p.Counts(); c.Written != 2 || c.WrittenBytes != 120 || c.Refused != 1 {
		t.Errorf("counts %+v", c)
	}
}

func TestPortOverflow(t *testing.T) {
	filled := func(cfg mem.PortConfig) *mem.Port {
		p := mem.NewPort(cfg)
		for b := range byte(5) {
			write(t, p, encap.Frame{Data: ether(60, b)})
		}
		return p
	}
	oldest := filled(mem.PortConfig{Depth: 2, Overflow: mem.DropOldest})
	for want := byte(3); want < 5; want++ {
		if f, ok := oldest.TryReceive(); !ok || f.Data[0] != want {
			t.Errorf("DropOldest: received %v, want frame %d", f.Data, want)
		}
	}
	if c := oldest.Counts(); c.Written != 5 || c.Evicted != 3 || c.Received != 2 {
		t.Errorf("DropOldest: counts %+v", c)
	}
	sink := filled(mem.PortConfig{Depth: 2, Overflow: mem.Discard})
	if _, ok := sink.TryReceive(); ok {
		t.Error("Discard kept a frame")
	}
	if c := sink.Counts(); c.Written != 5 || c.WrittenBytes != 300 {
		t.Errorf("Discard: counts %+v", c)
	}
}

func TestPortReceiveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mem.NewPort(mem.PortConfig{})
		got := make(chan byte)
		for range 3 { // each of several who wait gets one of a batch
			go func() {
				f, err := p.Receive(context.Background())
				if err != nil {
					t.Error(err)
				}
				got <- f.Data[0]
			}()
		}
		synctest.Wait()
		write(t, p, encap.Frame{Data: ether(60, 1)}, encap.Frame{Data: ether(60, 2)}, encap.Frame{Data: ether(60, 4)})
		if sum := <-got + <-got + <-got; sum != 7 {
			t.Errorf("frames add up to %d", sum)
		}
	})
}

func TestPortReceiveEnds(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	write(t, p, encap.Frame{Data: ether(60, 1)})
	p.Close()
	if _, err := p.Receive(t.Context()); err != nil {
		t.Errorf("written before Close: %v", err)
	}
	if _, err := p.Receive(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := p.Read(slab(1, 100)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if p.Inject(ether(60, 1), encap.Offload{}) {
		t.Error("Inject after Close")
	}
}

func TestPortRepeat(t *testing.T) {
	p := mem.NewPort(mem.PortConfig{})
	calls := 0
	p.Notify(func() { calls++ })
	p.Repeat([]encap.Frame{{Data: ether(20, 1)}, {Data: ether(10, 2), More: [][]byte{ether(10, 2)}}}, 5)
	p.Inject(ether(20, 9), encap.Offload{})
	if calls == 0 {
		t.Error("no notice of frames to repeat")
	}
	var got []byte
	for frames := slab(4, 64); ; frames = slab(4, 64) {
		n, err := p.Read(frames)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		for _, f := range frames[:n] {
			if len(f.Data) != 20 {
				t.Errorf("frame of %d bytes", len(f.Data))
			}
			got = append(got, f.Data[0])
		}
	}
	if want := []byte{1, 2, 1, 2, 1, 9}; !bytes.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	p.Repeat(nil, 10)
	if n, _ := p.Read(slab(1, 64)); n != 0 {
		t.Error("repeated nothing")
	}
}

// Whatever is injected and read in whatever order, the port is a bounded queue.
func TestPortIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		depth := rapid.IntRange(1, 5).Draw(t, "depth")
		p := mem.NewPort(mem.PortConfig{Depth: depth})
		var model [][]byte
		t.Repeat(map[string]func(*rapid.T){
			"inject": func(t *rapid.T) {
				f := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "frame")
				if ok := p.Inject(f, encap.Offload{}); ok != (len(model) < depth) {
					t.Fatalf("Inject = %v with %d of %d queued", ok, len(model), depth)
				} else if ok {
					model = append(model, f)
				}
			},
			"read": func(t *rapid.T) {
				frames := slab(rapid.IntRange(0, 4).Draw(t, "batch"), 40)
				n, err := p.Read(frames)
				if err != nil || n != min(len(frames), len(model)) {
					t.Fatalf("Read = %d, %v with %d queued", n, err, len(model))
				}
				for i := range n {
					if !bytes.Equal(frames[i].Data, model[i]) {
						t.Fatalf("read %x, want %x", frames[i].Data, model[i])
					}
				}
				model = model[n:]
			},
		})
	})
}
