package pcapng_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/control/pcapng"
)

// capture is a section with two interfaces and a packet for each of some lengths.
func capture(t interface{ Fatal(...any) }, lengths ...int) []byte {
	var b bytes.Buffer
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := pcapng.NewWriter(&b, "test")
	check(err)
	_, err = w.AddInterface(pcapng.Interface{Name: "vx42", Description: "network 42", Link: pcapng.Ethernet})
	check(err)
	_, err = w.AddInterface(pcapng.Interface{Name: "wire", Link: pcapng.RawIP, SnapLen: 65535})
	check(err)
	for i, n := range lengths {
		check(w.WritePacket(&pcapng.Packet{
			Interface: i % 2, Time: time.Unix(int64(i), 123456789), Direction: pcapng.Outbound,
			Length: n + 10, Data: bytes.Repeat([]byte{byte(n)}, n), Comment: "dropped: loop"[:n%14],
		}))
	}
	check(w.WriteStats(0, time.Unix(9, 0), 100, 7))
	return b.Bytes()
}

// A second implementation reads what was written.
func TestGopacketReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 20).Draw(t, "lengths")
		r, err := pcapgo.NewNgReader(bytes.NewReader(capture(t, lengths...)), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range lengths {
			data, info, err := r.ReadPacketData()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, bytes.Repeat([]byte{byte(n)}, n)) || info.Length != n+10 || info.InterfaceIndex != i%2 {
				t.Fatalf("packet %d: %x, %+v", i, data, info)
			}
			if want := time.Unix(int64(i), 123456789); !info.Timestamp.Equal(want) {
				t.Fatalf("packet %d at %v, want %v", i, info.Timestamp, want)
			}
		}
		if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last packet: %v", err)
		}
		vx, err := r.Interface(0)
		if err != nil || vx.Name != "vx42" || vx.Description != "network 42" || vx.LinkType != layers.LinkTypeEthernet {
			t.Fatalf("interface %+v, %v", vx, err)
		}
	})
}

func TestPacketOfNoInterface(t *testing.T) {
	w, err := pcapng.NewWriter(io.Discard, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WritePacket(&pcapng.Packet{}); err == nil {
		t.Error("no error")
	}
}

// full takes so many bytes and then fails.
type full struct {
	room int
	got  bytes.Buffer
}

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.room-f.got.Len() {
		return 0, errFull
	}
	return f.got.Write(b)
}

func TestCopyCountsAndKeepsBlocksWhole(t *testing.T) {
	section := capture(t, 60, 61, 1500)
	var dst bytes.Buffer
	c, err := pcapng.Copy(&dst, bytes.NewReader(section))
	if err != nil || c != (pcapng.Counts{Packets: 3, Missed: 7}) || !bytes.Equal(dst.Bytes(), section) {
		t.Errorf("%+v, %v", c, err)
	}
	for cut := range section {
		var dst bytes.Buffer
		_, err := pcapng.Copy(&dst, bytes.NewReader(section[:cut]))
		again, sound := pcapng.Copy(io.Discard, bytes.NewReader(dst.Bytes()))
		if sound != nil || err == nil && dst.Len() != cut || err != nil && dst.Len() == cut {
			t.Fatalf("cut at %d of %d: %d bytes written, %v; read again: %+v, %v", cut, len(section), dst.Len(), err, again, sound)
		}
		f := &full{room: cut}
		var failed *pcapng.WriteError
		if _, err := pcapng.Copy(f, bytes.NewReader(section)); !errors.As(err, &failed) || !errors.Is(err, errFull) {
			t.Fatalf("room for %d: %v", cut, err)
		}
	}
}

func TestCopyRefusesWhatIsNoCapture(t *testing.T) {
	for _, text := range []string{"HTTP/1.1 400 Bad Request\r\n", "{\"error\": \"what\"}", string(make([]byte, 100))} {
		if _, err := pcapng.Copy(io.Discard, bytes.NewReader([]byte(text))); !errors.Is(err, pcapng.ErrFormat) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func FuzzCopy(f *testing.F) {
	f.Add(capture(f, 60))
	f.Fuzz(func(t *testing.T, b []byte) {
		var dst bytes.Buffer
		_, err := pcapng.Copy(&dst, bytes.NewReader(b))
		if !bytes.HasPrefix(b, dst.Bytes()) || err == nil && dst.Len() != len(b) {
			t.Errorf("%d of %d bytes, %v", dst.Len(), len(b), err)
		}
	})
}
