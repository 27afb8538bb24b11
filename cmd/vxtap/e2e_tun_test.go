//go:build linux

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// portMAC is what a network's own device has by its first address, innerA.
var portMAC = encap.MAC{0x02, 0x42, 192, 168, 77, 1}

// A VXLAN device of the kernel does not notice that its peer has a TUN: it learns the port's
// MAC, and everything flows, whatever is left to the kernel at either end.
func TestTUNKernelPeer(t *testing.T) {
	t.Parallel()
	for _, u := range []netlab.Underlay{netlab.Super, netlab.Bare} {
		for _, f := range families {
			t.Run(fmt.Sprintf("%s/%s", u, f.name), func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{Underlay: u})
				check(t, b.KernelVXLAN(netlab.VXLANConfig{
					Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)},
					Addresses: prefixes(innerB+"/24", innerB6+"/64"), MTU: f.mtu,
				}))
				for i, mode := range []control.Offload{control.OffloadAuto, control.OffloadNone, control.OffloadOff} {
					q := queues(i+1, mode)
					t.Run(fmt.Sprintf("%v/%s queues", mode, q), func(t *testing.T) {
						v := startVXTAP(t, a, "--tun", "--vni", "42", "--local", f.a, "--remote", f.b,
							"--address", innerA+"/24", "--address", innerA6+"/64", "--offload", mode.String(), "--queues", q)
						inForce(t, v, mode)
						isTUN(t, v)
						allFlows(t, a, b, f.mtu)
						nothingLost(t, v)
						noChecksumErrors(t, a, b)
						for _, addr := range []string{innerA, innerA6} {
							if mac := neighbourOf(t, b, addr); mac != portMAC.String() {
								t.Errorf("%s is known as %q", addr, mac)
							}
						}
					})
				}
			})
		}
	}
}

// isTUN expects that the API and vxtap show say of which kind the port is.
func isTUN(t *testing.T, v *child) {
	t.Helper()
	if kind := v.network().Ports[0].Kind; kind != api.KindTUN {
		t.Errorf("the port is a %s", kind)
	}
	if shown := vxtap(t.Context(), v.socket, "show").stdout; !strings.Contains(shown, "tun vx42") {
		t.Errorf("show says nothing of a TUN:\n%s", shown)
	}
}

// neighbourOf returns the MAC by which a host knows an address on vx42.
func neighbourOf(t *testing.T, h *netlab.Host, addr string) string {
	t.Helper()
	link, err := h.Netlink().LinkByName("vx42")
	check(t, err)
	list, err := h.Netlink().NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
	check(t, err)
	for _, n := range list {
		if n.IP.String() == addr {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// Two of ours, one with a TUN or both, sealed or not.
func TestTUNToVXTAP(t *testing.T) {
	t.Parallel()
	psk := secretFile(t, crypto.PrivateKey{0, 1}.Base64())
	for _, sealed := range [][]string{nil, {"--sealed", "--psk-file", psk}} {
		for _, other := range [][]string{nil, {"--tun"}, {"--offload", "off"}} {
			t.Run(fmt.Sprintf("sealed=%t/%v", sealed != nil, other), func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{})
				common := append([]string{"--vni", "42"}, sealed...)
				up := func(h *netlab.Host, local, remote, inner, inner6 string, more []string) *child {
					return startVXTAP(t, h, slices.Concat(common, []string{"--local", local, "--remote", remote,
						"--address", inner + "/24", "--address", inner6 + "/64"}, more)...)
				}
				v := up(a, "10.9.0.1", "10.9.0.2", innerA, innerA6, []string{"--tun"})
				w := up(b, "10.9.0.2", "10.9.0.1", innerB, innerB6, other)
				ping(t, a, innerB)
				ping(t, b, innerA6)
				mtu := v.network().MTU
				allFlows(t, a, b, mtu)
				nothingLost(t, v)
				nothingLost(t, w)
				noChecksumErrors(t, a, b)
			})
		}
	}
}

// What a TUN's port says on the wire about addresses is what the kernel says of a TAP, to
// the byte.
func TestTUNSaysWhatATAPSays(t *testing.T) {
	t.Parallel()
	f := families[0]
	said := func(t *testing.T, args ...string) []string {
		a, b, _ := startPair(t, f, netlab.LinkConfig{}, args...)
		link, err := b.Netlink().LinkByName("vx42")
		check(t, err)
		check(t, b.Netlink().LinkSetHardwareAddr(link, macB[:])) // the same both times
		heard := delivered(t, b, "vx42")
		for _, addr := range []string{innerB, innerB6} {
			ping(t, a, addr)
		}
		forget(t, b, "vx42")
		for _, addr := range []string{innerA, innerA6} {
			ping(t, b, addr)
		}
		set := make(map[string]bool)
		for _, f := range heard.Frames() {
			if words, ok := aboutAddresses(t, f.Data); ok {
				set[words] = true
			}
		}
		return slices.Sorted(maps.Keys(set))
	}
	var tap, tun []string
	t.Run("TAP", func(t *testing.T) { tap = said(t) })
	t.Run("TUN", func(t *testing.T) { tun = said(t, "--tun") })
	if len(tap) != 4 || !slices.Equal(tap, tun) {
		t.Errorf("a TAP says\n%s\nand a TUN\n%s", strings.Join(tap, "\n"), strings.Join(tun, "\n"))
	}
}

// Switches that snoop on who is in a group hear of a TUN's port what they hear of a TAP's:
// it is in the groups where its addresses are solicited.
func TestTUNJoinsGroups(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"--tun=false", "--tun"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			check(t, b.KernelVXLAN(netlab.VXLANConfig{Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")}, MTU: 1450}))
			heard := delivered(t, b, "vx42")
			startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--address", innerA+"/24", "--address", innerA6+"/64", kind)
			for _, group := range []string{"ff02::1:ff00:1", "ff02::1:ffa8:4d01"} {
				_, err := heard.Wait(within(t), func(f netlab.Frame) bool { return slices.Contains(joined(f.Data), group) })
				check(t, err)
			}
		})
	}
}

// joined are the groups that the port reports to be in (RFC 3810 section 5.2).
func joined(data []byte) (groups []string) {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
	report, ok := p.Layer(layers.LayerTypeMLDv2MulticastListenerReport).(*layers.MLDv2MulticastListenerReportMessage)
	if !ok || encap.MAC(data[6:12]) != portMAC {
		return nil
	}
	for _, r := range report.MulticastAddressRecords {
		groups = append(groups, r.MulticastAddress.String())
	}
	return groups
}

// forget has a host know no neighbours any more.
func forget(t *testing.T, h *netlab.Host, ifname string) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	list, err := h.Netlink().NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
	check(t, err)
	for i := range list {
		if !list[i].IP.IsMulticast() {
			check(t, h.Netlink().NeighDel(&list[i]))
		}
	}
}

// aboutAddresses returns a frame of the port's that asks everybody for an address, or
// answers who does. When a station asks one neighbour again is a matter of time.
func aboutAddresses(t *testing.T, data []byte) (words string, ok bool) {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
	eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if encap.MAC(eth.SrcMAC) != portMAC {
		return "", false
	}
	toAll := encap.MAC(eth.DstMAC).IsMulticast()
	if a, is := p.Layer(layers.LayerTypeARP).(*layers.ARP); is {
		return "ARP " + hex.EncodeToString(data), a.Operation == layers.ARPReply || toAll
	}
	v6, is := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if !is || v6.SrcIP.IsUnspecified() || !slices.Contains([]string{innerA6}, v6.SrcIP.String()) {
		return "", false // a TAP probes for duplicates of its own link-local address
	}
	switch m := p.Layers()[len(p.Layers())-1].(type) {
	case *layers.ICMPv6NeighborSolicitation:
		return "NS " + hex.EncodeToString(data), toAll
	case *layers.ICMPv6NeighborAdvertisement:
		return "NA " + hex.EncodeToString(data), len(m.Options) > 0
	}
	return "", false
}

// Questions and probes for duplicates of addresses that are not the port's get no answer,
// and those of its own do; so do the link-local one, and one that came later.
func TestTUNAnswers(t *testing.T) {
	t.Parallel()
	a, b, _ := startPair(t, families[0], netlab.LinkConfig{}, "--tun")
	heard := delivered(t, b, "vx42")
	strange := encap.MAC{0x02, 0, 0, 0, 0, 0x99}
	for _, other := range []string{"192.168.77.99", "10.9.0.1", "fd77::99", "fd09::1", "fe80::99"} {
		inject(t, b, "vx42", asking(t, strange, "", other))
		inject(t, b, "vx42", asking(t, strange, "192.168.77.98|fd77::98", other))
		inject(t, b, "vx42", asking(t, strange, "192.168.77.99|fd77::99", other))
	}
	check(t, a.AddAddress("vx42", netip.MustParsePrefix("192.168.77.50/24")))
	for _, own := range []string{innerA, innerA6, "192.168.77.50", "fe80::42:c0ff:fea8:4d01"} {
		for _, from := range []string{"", "192.168.77.98|fd77::98"} {
			eventually(t, "an answer about "+own, func() bool {
				inject(t, b, "vx42", asking(t, strange, from, own))
				return slices.Contains(answered(heard), own)
			})
		}
	}
	for _, addr := range answered(heard) {
		if !slices.Contains([]string{innerA, innerA6, "192.168.77.50", "fe80::42:c0ff:fea8:4d01"}, addr) {
			t.Errorf("the port has answered for %s", addr)
		}
	}
}

// asking is a question for an address, from one of two addresses that is of its family; from
// none, it is a probe for duplicates.
func asking(t *testing.T, mac encap.MAC, from, target string) []byte {
	t.Helper()
	dst, src := ip(target), netip.Addr{}
	for s := range strings.SplitSeq(from, "|") {
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() == dst.Is4() {
			src = a
		}
	}
	if dst.Is4() {
		if !src.IsValid() {
			src = netip.IPv4Unspecified()
		}
		return serialized(t, &layers.Ethernet{DstMAC: encap.Broadcast[:], SrcMAC: mac[:], EthernetType: layers.EthernetTypeARP}, &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: mac[:], SourceProtAddress: src.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: dst.AsSlice(),
		})
	}
	options := layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: mac[:]}}
	if !src.IsValid() {
		src, options = netip.IPv6Unspecified(), nil
	}
	group := encap.SolicitedNode(dst.As16())
	to := encap.GroupMAC6(group)
	v6 := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: src.AsSlice(), DstIP: group[:]}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	check(t, icmp.SetNetworkLayerForChecksum(v6))
	return serialized(t, &layers.Ethernet{DstMAC: to[:], SrcMAC: mac[:], EthernetType: layers.EthernetTypeIPv6}, v6, icmp,
		&layers.ICMPv6NeighborSolicitation{TargetAddress: dst.AsSlice(), Options: options})
}

func serialized(t *testing.T, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...))
	return b.Bytes()
}

// answered are the addresses that the port has said to have.
func answered(c *netlab.Capture) (list []string) {
	for _, f := range c.Frames() {
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
		if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok && a.Operation == layers.ARPReply {
			list = append(list, netip.AddrFrom4([4]byte(a.SourceProtAddress)).String())
		}
		if m, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok {
			list = append(list, m.TargetAddress.String())
		}
	}
	return list
}

// Routes lead where they would from a TAP, those that were given a moment ago too; and who
// is not there is told of by name.
func TestTUNRoutes(t *testing.T) {
	t.Parallel()
	a, b, v := startPair(t, families[0], netlab.LinkConfig{}, "--tun")
	check(t, b.AddAddress("lo", netip.MustParsePrefix("10.77.0.1/32")))
	check(t, b.AddAddress("lo", netip.MustParsePrefix("fd78::1/128")))
	link, err := a.Netlink().LinkByName("vx42")
	check(t, err)
	for to, via := range map[string]string{"10.77.0.0/24": innerB, "fd78::/64": innerB6} {
		_, dst, err := net.ParseCIDR(to)
		check(t, err)
		check(t, a.Netlink().RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Gw: ip(via).AsSlice()}))
	}
	heard := delivered(t, b, "vx42")
	ping(t, a, "10.77.0.1")
	ping(t, a, "fd78::1")
	for _, f := range heard.Frames() {
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
		if q, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok && q.DstProtAddress[0] == 10 {
			t.Error("somebody was asked for an address beyond a router")
		}
	}
	nothingLost(t, v)
	for _, nobody := range []string{"192.168.77.77", "fd77::77"} {
		before := v.drops()["out no_neighbour"]
		// Who connects is told, as it would be by a system that asks for neighbours itself.
		conn, err := a.DialContext(within(t), "tcp", net.JoinHostPort(nobody, "9"))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("nobody at %s: %v", nobody, err)
		}
		eventually(t, "nobody at "+nobody, func() bool { return v.drops()["out no_neighbour"] > before })
	}
}

// A TUN goes into a container's namespace as a TAP does, beside others on the network.
func TestTUNPorts(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	check(t, b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")},
		Addresses: prefixes("192.168.77.9/24", "fd77::9/64"), MTU: 1450,
	}))
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--tap", "none")
	for i, kind := range []api.PortKind{api.KindTUN, api.KindTAP} {
		v.addPort(api.PortSpec{
			Name: string(kind), Kind: kind, Device: "eth0", NetNS: in[i].Path(),
			Addresses: prefixes(fmt.Sprintf("192.168.77.%d/24", i+1), fmt.Sprintf("fd77::%d/64", i+1)),
			Routes:    []api.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: ip("192.168.77.9")}},
		})
	}
	check(t, b.AddAddress("lo", netip.MustParsePrefix("10.77.0.1/32")))
	for _, dst := range []string{"192.168.77.2", "fd77::2", "192.168.77.9", "fd77::9", "10.77.0.1"} {
		ping(t, in[0], dst)
	}
	for _, from := range []*netlab.Host{in[1], b} {
		ping(t, from, "192.168.77.1")
		ping(t, from, "fd77::1")
	}
	_, err := netlab.Transfer(within(t), in[0], in[1], netip.MustParseAddrPort("192.168.77.2:0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
	check(t, err)
	_, err = netlab.Transfer(within(t), in[1], in[0], netip.MustParseAddrPort("[fd77::1]:0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
	check(t, err)
	noChecksumErrors(t, in[0], in[1], b)
	v.ask(func(ctx context.Context) error { return v.api.RemovePort(ctx, 42, "tun") })
	v.expectPorts("tap")
	ping(t, in[1], "192.168.77.9")
}

// An agent whose TUN is taken away has nothing left to do, as with a TAP.
func TestTUNRemoved(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			v := startVXTAP(t, a, "--tun", "--vni", "42", "--local", "10.9.0.1", "--offload", driver)
			check(t, a.DeleteLink("vx42"))
			v.endedWith(exitFailed)
			v.saysWhy("vx42|network 42|removed by someone else")
		})
	}
}

// What makes no sense with a TUN is refused in one line.
func TestTUNRefused(t *testing.T) {
	for line, want := range map[string]string{
		"--tun --tap none":                      "--tun with --tap none",
		"--tun=maybe":                           "want true or false",
		"--tun --mac 01:00:5e:00:00:01":         "neither zero nor of a group",
		"--tun --mtu 1000 --address fd77::1/64": "IPv6 needs at least 1280",
	} {
		args := append([]string{"up", "--vni", "42", "--local", "10.9.0.1"}, strings.Fields(line)...)
		r := vxtap(t.Context(), newSocket(t), args...)
		if r.code != exitUsage || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: %d, %q", line, r.code, r.stderr)
		}
	}
}
