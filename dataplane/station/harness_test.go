package station_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/dataplane/station"
	"github.com/vxtap/vxtap/encap"
)

var (
	ourMAC   = encap.MAC{0x02, 0x42, 192, 168, 77, 1}
	theirMAC = encap.MAC{0x02, 0, 0, 0, 0, 2}
	otherMAC = encap.MAC{0x02, 0, 0, 0, 0, 3}
)

// family is addresses of one IP version: ours, those of two others, a gateway's, and one
// beyond it.
type family struct {
	name                             string
	ours, their, other, router, away netip.Addr
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

var families = []family{
	{"IPv4", ip("192.168.77.1"), ip("192.168.77.2"), ip("192.168.77.3"), ip("192.168.77.254"), ip("10.1.2.3")},
	{"IPv6", ip("fd77::1"), ip("fd77::2"), ip("fd77::3"), ip("fd77::fe"), ip("fd01::2")},
}

// home is where the station is.
func home() station.Addressing {
	p := netip.MustParsePrefix
	return station.Addressing{
		Addresses: []netip.Prefix{p("192.168.77.1/24"), p("fd77::1/64"), p("fe80::1/64")},
		Routes: []station.Route{
			{To: p("0.0.0.0/0"), Via: ip("192.168.77.254")}, {To: p("::/0"), Via: ip("fd77::fe")},
			{To: p("192.168.77.0/24")}, {To: p("192.168.77.255/32"), Broadcast: true},
			{To: p("fd77::/64")}, {To: p("fe80::/64")},
		},
	}
}

// bench is a station whose device and wire are the test's.
type bench struct {
	t       *testing.T
	devices []*mem.Port
	*station.Station
	woken   []chan struct{} // by queue: Notify's function was called
	buffers [64][]byte

	mu        sync.Mutex
	meanwhile func() // happens once, when the device has been read

	addressing station.Addressing
	readings   int
	busy       chan struct{} // if set, reading takes until it is closed
}

// interrupted is a device with which something happens while it is read.
type interrupted struct {
	*mem.Port
	b *bench
}

func (i *interrupted) Read(frames []encap.Frame) (int, error) {
	n, err := i.Port.Read(frames)
	if happen := i.b.meanwhile; n > 0 && happen != nil {
		i.b.meanwhile = nil
		happen()
	}
	return n, err
}

// inVirtualTime runs a test with a station of so many queues.
func inVirtualTime(t *testing.T, queues int, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newBench(t, queues, mem.Refuse)) })
}

func newBench(t *testing.T, queues int, full mem.Overflow) *bench {
	b := &bench{t: t, addressing: home()}
	for i := range b.buffers {
		b.buffers[i] = make([]byte, encap.ReadBuffer)
	}
	var list []station.Packets
	for range queues {
		d := mem.NewPort(mem.PortConfig{Offloads: encap.OffloadCSUM | encap.OffloadTSO, Overflow: full})
		b.devices, list = append(b.devices, d), append(list, &interrupted{d, b})
	}
	var err error
	b.Station, err = station.New(station.Config{MAC: ourMAC, Queues: list, Addressing: b.read})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range b.Queues() {
		woken := make(chan struct{}, 1)
		q.Notify(func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		b.woken = append(b.woken, woken)
	}
	t.Cleanup(func() { b.Station.Close() })
	return b
}

func (b *bench) read() (station.Addressing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readings++
	if busy := b.busy; busy != nil {
		b.mu.Unlock()
		<-busy
		b.mu.Lock()
	}
	if b.addressing.Addresses == nil {
		return station.Addressing{}, errors.New("nobody tells")
	}
	return b.addressing, nil
}

// move changes the addressing.
func (b *bench) move(change func(*station.Addressing)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addressing = home()
	change(&b.addressing)
}

// frame is one that was read, without its buffer.
type frame struct {
	data    []byte
	refusal encap.Refusal
	offload encap.Offload
}

// readAll reads what a queue has until it has nothing more, as a worker does: as long as it
// is announced.
func (b *bench) readAll(queue int) (list []frame) {
	b.t.Helper()
	for {
		synctest.Wait()
		select {
		case <-b.woken[queue]:
		default:
			return list
		}
		for n := 64; n == 64; {
			frames := make([]encap.Frame, 64)
			for i := range frames {
				frames[i].Data = b.buffers[i]
			}
			var err error
			if n, err = b.Queues()[queue].Read(frames); err != nil {
				b.t.Fatal(err)
			}
			for _, f := range frames[:n] {
				if f.Refusal != encap.RefusalHeld {
					list = append(list, frame{bytes.Clone(f.Data), f.Refusal, f.Offload})
				}
			}
		}
	}
}

// send has the device send a packet.
func (b *bench) send(queue int, src, dst netip.Addr, payload string) {
	b.t.Helper()
	if !b.devices[queue].Inject(packet(b.t, src, dst, payload), encap.Offload{}) {
		b.t.Fatal("the device has no room")
	}
}

// packet is a UDP datagram behind a blank Ethernet header.
func packet(t testing.TB, src, dst netip.Addr, payload string) []byte {
	t.Helper()
	udp := &layers.UDP{SrcPort: 1000, DstPort: 2000}
	if src.Is4() {
		l := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		return serialize(t, encap.MAC{}, encap.MAC{}, l, udp, gopacket.Payload(payload))
	}
	l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	return serialize(t, encap.MAC{}, encap.MAC{}, l, udp, gopacket.Payload(payload))
}

// serialize writes a frame with what gopacket knows of lengths and checksums.
func serialize(t testing.TB, dst, src encap.MAC, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	eth := &layers.Ethernet{DstMAC: dst[:], SrcMAC: src[:]}
	var network gopacket.NetworkLayer
	for _, l := range list {
		switch l := l.(type) {
		case *layers.ARP:
			eth.EthernetType = layers.EthernetTypeARP
		case *layers.IPv4:
			eth.EthernetType, network = layers.EthernetTypeIPv4, l
		case *layers.IPv6:
			eth.EthernetType, network = layers.EthernetTypeIPv6, l
		case *layers.UDP:
			_ = l.SetNetworkLayerForChecksum(network)
		case *layers.ICMPv6:
			_ = l.SetNetworkLayerForChecksum(network)
		}
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, append([]gopacket.SerializableLayer{eth}, list...)...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// receive has a frame come from the wire.
func (b *bench) receive(data []byte) error {
	b.t.Helper()
	n, err := b.Queues()[0].Write([]encap.Frame{{Data: data}})
	if (n == 1) != (err == nil) {
		b.t.Fatalf("Write took %d: %v", n, err)
	}
	synctest.Wait()
	return err
}

// arrivals are the payloads of the packets that reached the device.
func (b *bench) arrivals() (list []string) {
	for {
		f, ok := b.devices[0].TryReceive()
		if !ok {
			return list
		}
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.Default)
		if udp, ok := p.TransportLayer().(*layers.UDP); ok {
			list = append(list, string(udp.Payload))
		} else {
			list = append(list, "no UDP")
		}
	}
}

// unreachable expects that the sender of one packet was told that nobody has an address.
func (b *bench) unreachable(sender, nobody netip.Addr) {
	b.t.Helper()
	f, ok := b.devices[0].TryReceive()
	if !ok {
		b.t.Error("the sender is not told")
		return
	}
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.Default)
	said := ""
	if e, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
		said = e.TypeCode.String()
	} else if e, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
		said = e.TypeCode.String()
	}
	src, dst := p.NetworkLayer().NetworkFlow().Endpoints()
	want := map[bool]string{true: "DestinationUnreachable(Host)", false: "DestinationUnreachable(AddressUnreachable)"}[sender.Is4()]
	if said != want || src.String() != nobody.String() || dst.String() != sender.String() {
		b.t.Errorf("told %s, %v > %v", said, src, dst)
	}
	if len(b.arrivals()) != 0 {
		b.t.Error("told more than once")
	}
}

// asks is a question from a station for one of our addresses, or another. From no address,
// it is a probe for duplicates.
func asks(t testing.TB, mac encap.MAC, src, target netip.Addr, dst encap.MAC) []byte {
	t.Helper()
	if target.Is4() {
		if !src.IsValid() {
			src = netip.IPv4Unspecified()
		}
		return serialize(t, dst, mac, arp(layers.ARPRequest, mac, src, encap.MAC{}, target))
	}
	to := target
	if dst.IsMulticast() {
		to = netip.AddrFrom16(encap.SolicitedNode(target.As16()))
		dst = encap.GroupMAC6(to.As16())
	}
	options := layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: mac[:]}}
	if !src.IsValid() {
		src, options = netip.IPv6Unspecified(), nil
	}
	return nd(t, dst, mac, src, to, layers.ICMPv6TypeNeighborSolicitation, &layers.ICMPv6NeighborSolicitation{TargetAddress: target.AsSlice(), Options: options})
}

// tells is an answer to us about an address. Unasked, it is an announcement to all.
func tells(t testing.TB, mac encap.MAC, addr, to netip.Addr, solicited bool) []byte {
	t.Helper()
	dst := ourMAC
	if !solicited {
		dst = encap.Broadcast
	}
	if addr.Is4() {
		if !solicited {
			to = addr
		}
		return serialize(t, dst, mac, arp(layers.ARPReply, mac, addr, ourMAC, to))
	}
	flags := uint8(0x60)
	if !solicited {
		to, dst, flags = ip("ff02::1"), encap.GroupMAC6(encap.AllNodes), 0x20
	}
	return nd(t, dst, mac, addr, to, layers.ICMPv6TypeNeighborAdvertisement, &layers.ICMPv6NeighborAdvertisement{
		Flags: flags, TargetAddress: addr.AsSlice(), Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: mac[:]}},
	})
}

func arp(op uint16, mac encap.MAC, src netip.Addr, targetMAC encap.MAC, target netip.Addr) *layers.ARP {
	return &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: mac[:], SourceProtAddress: src.AsSlice(), DstHwAddress: targetMAC[:], DstProtAddress: target.AsSlice(),
	}
}

func nd(t testing.TB, dst, src encap.MAC, from, to netip.Addr, kind uint8, message gopacket.SerializableLayer) []byte {
	t.Helper()
	return serialize(t, dst, src,
		&layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: from.AsSlice(), DstIP: to.AsSlice()},
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, 0)}, message)
}

// say is a frame in words, as gopacket reads it.
func (f frame) say(t testing.TB) string {
	t.Helper()
	p := gopacket.NewPacket(f.data, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("% x: %v", f.data, e.Error())
	}
	eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if f.refusal != encap.RefusalNone {
		return "refused: " + f.refusal.Error()
	}
	if encap.MAC(eth.SrcMAC) != ourMAC {
		t.Errorf("a frame from %v", eth.SrcMAC)
	}
	to := eth.DstMAC.String()
	if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		from, target := netip.AddrFrom4([4]byte(a.SourceProtAddress)), netip.AddrFrom4([4]byte(a.DstProtAddress))
		if encap.MAC(a.SourceHwAddress) != ourMAC {
			t.Errorf("ARP for %v", a.SourceHwAddress)
		}
		return fmt.Sprintf("%s: ARP %d %v > %v", to, a.Operation, from, target)
	}
	if udp, ok := p.TransportLayer().(*layers.UDP); ok {
		return fmt.Sprintf("%s: %s", to, udp.Payload)
	}
	return to + ": " + sayND(t, p)
}

// sayND is a message of neighbour discovery in words. That its checksum is right is for
// encap's own tests, which have it from elsewhere.
func sayND(t testing.TB, p gopacket.Packet) string {
	t.Helper()
	v6 := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if v6.HopLimit != 255 {
		t.Errorf("hop limit %d", v6.HopLimit)
	}
	src, _ := netip.AddrFromSlice(v6.SrcIP)
	dst, _ := netip.AddrFromSlice(v6.DstIP)
	words, kind, options := "", layers.ICMPv6OptSourceAddress, layers.ICMPv6Options(nil)
	if m, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation); ok {
		words, options = fmt.Sprintf("NS %v > %v: %v", src, dst, m.TargetAddress), m.Options
	} else if m, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok {
		words, options = fmt.Sprintf("NA %v > %v: %v %02x", src, dst, m.TargetAddress, m.Flags), m.Options
		kind = layers.ICMPv6OptTargetAddress
	} else {
		t.Fatalf("no message: %v", p)
	}
	if len(options) == 0 {
		return words + " without a MAC"
	}
	if len(options) != 1 || options[0].Type != kind || encap.MAC(options[0].Data) != ourMAC {
		t.Errorf("options %v", options)
	}
	return words
}

// saying are the frames of a queue in words.
func (b *bench) saying(queue int) (list []string) {
	b.t.Helper()
	for _, f := range b.readAll(queue) {
		list = append(list, f.say(b.t))
	}
	return list
}

// want compares what a queue says.
func (b *bench) want(queue int, what string, want ...string) {
	b.t.Helper()
	got := b.saying(queue)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// question is what the station asks everybody about an address.
func question(f family, from, target netip.Addr) string {
	if target.Is4() {
		return fmt.Sprintf("%v: ARP 1 %v > %v", encap.Broadcast, from, target)
	}
	group := encap.SolicitedNode(target.As16())
	return fmt.Sprintf("%v: NS %v > %v: %v", encap.GroupMAC6(group), from, netip.AddrFrom16(group), target)
}

// probe is what it asks one station about its address.
func probe(to encap.MAC, from, target netip.Addr) string {
	if target.Is4() {
		return fmt.Sprintf("%v: ARP 1 %v > %v", to, from, target)
	}
	return fmt.Sprintf("%v: NS %v > %v: %v", to, from, target, target)
}

// know has their address be known.
func (b *bench) know(f family) {
	b.t.Helper()
	b.send(0, f.ours, f.their, "first")
	b.want(0, "a question", question(f, f.ours, f.their))
	if err := b.receive(tells(b.t, theirMAC, f.their, f.ours, true)); err != nil {
		b.t.Fatal(err)
	}
	b.want(0, "what waited", theirMAC.String()+": first")
}

func eachFamily(t *testing.T, queues int, test func(b *bench, f family)) {
	t.Helper()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) { inVirtualTime(t, queues, func(b *bench) { test(b, f) }) })
	}
}

func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
