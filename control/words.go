package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// The table of words: every flag of vxtap up that is about what runs, and every key of the
// configuration file. A word that is added here is in both, and on the API.

// Words returns every word, in the order of help. Which names systems take for a device is
// the driver's to say; with a nil checkName all are taken.
func Words(checkName func(string) error) []Word {
	parseName := func(s string) (string, error) {
		if checkName == nil {
			return s, nil
		}
		return s, checkName(s)
	}
	list := networkWords(parseName)
	list = append(list, sealWords()...)
	return append(list, driverWords()...)
}

func networkWords(parseName func(string) (string, error)) []Word {
	return []Word{
		ofNetwork("vni", "N", "", "VXLAN network identifier, 1 to 16777215 (required)", encap.ParseVNI,
			func(n *NetworkSpec) *encap.VNI { return &n.VNI }),
		localWord(),
		listOfNetwork("remote", "ADDR[:PORT]", "VTEP that receives broadcast, unknown and multicast frames", ParseRemote,
			func(n *NetworkSpec) *[]netip.AddrPort { return &n.Remotes }),
		tapWord(parseName),
		tunWord(),
		listOfNetwork("bridge-to", "IF[.VLAN]", "interface of this host, or a VLAN on it, whose machines are to be on the network", ParseInterface,
			func(n *NetworkSpec) *[]string { return &n.BridgeTo }),
		listOfNetwork("address", "ADDR/LEN", "address for the TAP", ParseAddress,
			func(n *NetworkSpec) *[]netip.Prefix { return &n.Port.Addresses }),
		ofNode("port", "N", "4789", "UDP port of this VTEP and of remotes", ParsePort,
			func(n *NodeSpec) *uint16 { return &n.Port }),
		ofNetwork("mtu", "auto|N", "auto", "MTU of the TAP", ParseMTU,
			func(n *NetworkSpec) *int { return &n.Port.MTU }),
		ofNetwork("mac", "MAC", "", "MAC of the TAP (default 02:42 and its first address, or the local one)", ParseDeviceMAC,
			func(n *NetworkSpec) *encap.MAC { return &n.Port.MAC }),
		listOfNetwork("fdb", "MAC=ADDR[:PORT]", "static entry of the forwarding table", ParseStaticEntry,
			func(n *NetworkSpec) *[]StaticEntry { return &n.Static }),
		ofNetwork("learning", "", "true", "learn source MACs from the tunnel", parseUntruth,
			func(n *NetworkSpec) *bool { return &n.NoLearning }),
		ofNetwork("closed", "", "false", "hear only VTEPs that --remote or --fdb names", parseTruth,
			func(n *NetworkSpec) *bool { return &n.Closed }),
		ofNetwork("mss-clamp", "", "false", "have TCP connections through the tunnel announce no larger segments than fit", parseTruth,
			func(n *NetworkSpec) *bool { return &n.MSSClamp }),
		ofNetwork("ageing", "TIME", "300s", "how long a learned MAC is kept after its last frame; 0 for ever", ParseAgeing,
			func(n *NetworkSpec) *time.Duration { return &n.Ageing }),
		ofNetwork("max-macs", "N", fmt.Sprint(dataplane.DefaultMaxMACs), "how many MACs are learned at most", parseMaxMACs,
			func(n *NetworkSpec) *int { return &n.MaxMACs }),
		ofNetwork("ttl", "N", "64", "TTL or hop limit of outer packets", ParseTTL,
			func(n *NetworkSpec) *uint8 { return &n.TTL }),
		tosWord(),
		ofNetwork("group", "ADDR", "", "multicast group that gets broadcast, unknown and multicast frames, in the place of remotes; with --dev", ParseGroup,
			func(n *NetworkSpec) *netip.Addr { return &n.Group }),
		ofNetwork("dev", "IF", "", "interface of this host by which the group is reached", parseText,
			func(n *NetworkSpec) *string { return &n.GroupDevice }),
		listOfNetwork("udpcsum", "BOOL|ADDR=BOOL", "whether outer UDP checksums are sent (default true), by this network or to one VTEP; without, each datagram is sent by itself", ParseChecksum,
			func(n *NetworkSpec) *[]Checksum { return &n.Checksums }),
		ofNetwork("reserved-bits", "0xHEX", "", "reserved bits of the VXLAN header that others may set, 64 bits", parseMask,
			func(n *NetworkSpec) *uint64 { return &n.ReservedBits }),
	}
}

func sealWords() []Word {
	list := []Word{
		ofNode("key", "FILE", "", "file with this node's private key", absolutePath,
			func(n *NodeSpec) *string { return &n.Seal.KeyFile }).naming(absolutePath),
		listOfNode("peer", "ADDR[:PORT]=PUBKEY", "VTEP of a peer with its public key; it is a --remote, too", ParsePeer,
			func(n *NodeSpec) *[]PeerKey { return &n.Seal.Peers }),
		ofNode("psk-file", "FILE", "", "file with a secret that all peers share; alone, its holders are not told apart from each other; with --key, one more that a peer must know", absolutePath,
			func(n *NodeSpec) *string { return &n.Seal.PSKFile }).naming(absolutePath),
		ofNode("cipher", "aes-128-gcm|aes-256-gcm", "aes-128-gcm", "what frames are sealed with; peers must agree", ParseCipher,
			func(n *NodeSpec) *crypto.Suite { return &n.Seal.Suite }),
		ofNode("nat", "", "false", "this node is behind NAT: send from --port alone, and often enough that the way back stays open", parseTruth,
			func(n *NodeSpec) *bool { return &n.Seal.NAT }),
		ofNode("keepalive", "TIME", "", "how often something is sent to each peer at least (default 20s with --nat, or else never)", ParseKeepalive,
			func(n *NodeSpec) *time.Duration { return &n.Seal.Keepalive }),
	}
	for i := range list {
		list[i].Sealing = true
	}
	FindWord(list, "peer").Of = OfBoth
	sealed := ofNetwork("sealed", "", "false", "encrypt frames and authenticate who they come from; with --key and --peer, or --psk-file", parseTruth,
		func(n *NetworkSpec) *bool { return &n.Sealed })
	return slices.Insert(list, 0, sealed)
}

func driverWords() []Word {
	return []Word{
		ofNetwork("netns", "NAME|PATH", "", "network namespace for the TAP, by name or path", AbsoluteNamespace,
			func(n *NetworkSpec) *string { return &n.Port.NetNS }).naming(AbsoluteNamespace),
		ofNode("queues", "N", "", fmt.Sprintf("workers in each direction, 1 to %d (default the CPUs it may use, at most 8)", MaxQueues), ParseQueues,
			func(n *NodeSpec) *int { return &n.Queues }),
		ofNode("offload", strings.Join(offloadWords[:], "|"), "auto", "what is left to the kernel: all it can, only the TAP's or the UDP sockets' part, nothing; off uses the portable drivers, a frame a system call", ParseOffload,
			func(n *NodeSpec) *Offload { return &n.Offload }),
	}
}
