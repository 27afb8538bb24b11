package metrics

import "github.com/prometheus/client_golang/prometheus"

// describe names a metric and its labels.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vxtap_"+name, help, labels, nil)
}

// What there is of the node.
var (
	buildInfo      = describe("build_info", "The agent's version; always 1.", "version")
	underlayUp     = describe("underlay_up", "Whether nothing is known to keep datagrams from being sent and received.")
	underlayMTU    = describe("underlay_mtu_bytes", "MTU of the interface with the local address; 0 if it is not known.")
	underlayDrops  = describe("underlay_kernel_dropped_datagrams_total", "Datagrams that the kernel dropped because the buffer of a listening socket was full.")
	receiveErrors  = describe("underlay_receive_errors_total", "How often a socket could not be received from.")
	handshakesLost = describe("handshake_messages_lost_total", "Messages of handshakes that were not looked at because too many came at once.")
	unlearned      = describe("macs_put_off_total", "New or moved MACs that were not looked at because too many came at once.")
	strayFrames    = describe("stray_packets_total", "Packets that came in and belong to no network.")
	strayBytes     = describe("stray_bytes_total", "Bytes of packets that belong to no network, from the VXLAN header on.")
	strayDrops     = describe("stray_dropped_packets_total", "Packets that belong to no network, by why they were dropped.", "reason")
	rejectedOfNone = describe("rejected_handshakes_total", "Messages of handshakes that are of no known peer, by why they were rejected.", "reason")
)

// What there is of each network.
var (
	frames         = describe("network_frames_total", "Frames received.", "vni", "direction")
	bytes          = describe("network_bytes_total", "Bytes of frames received.", "vni", "direction")
	forwarded      = describe("network_forwarded_frames_total", "Frames that reached at least one destination.", "vni", "direction")
	forwardedBytes = describe("network_forwarded_bytes_total", "Bytes of frames that reached at least one destination.", "vni", "direction")
	copies         = describe("network_copied_frames_total", "Further copies that flooding made.", "vni", "direction")
	answers        = describe("network_too_big_answers_total", "ICMP errors that told of frames too big for the tunnel.", "vni", "direction")
	drops          = describe("network_dropped_frames_total", "Frames that went nowhere, by reason.", "vni", "direction", "reason")
	portDrops      = describe("port_kernel_dropped_frames_total", "Frames that the kernel dropped because the ring of a port was full.", "vni", "port")
	macs           = describe("network_macs", "Entries in the forwarding table now.", "vni", "class")
	macsLimit      = describe("network_macs_limit", "How many MACs are learned at most.", "vni")
	macsRefused    = describe("network_macs_refused_total", "How often a MAC was not learned because the limit was reached.", "vni")
	movesHeld      = describe("network_mac_moves_held_total", "How often a MAC was not followed to another VTEP because it moves to and fro.", "vni")
	remoteFrames   = describe("remote_frames_total", "Frames sent to a remote, and frames let in from it.", "vni", "remote", "direction")
	remoteBytes    = describe("remote_bytes_total", "Bytes of frames sent to a remote, and of frames let in from it.", "vni", "remote", "direction")
)

// What there is of each peer of sealed networks.
var (
	sessionUp       = describe("session_up", "Whether there are keys to seal with for a peer.", "peer")
	sessionEpoch    = describe("session_epoch", "The epoch that is sent in, from 1; 0 if there is none.", "peer")
	sessionAge      = describe("session_epoch_age_seconds", "For how long the keys that are sent in have been in use.", "peer")
	sessionRotation = describe("session_next_rotation_seconds", "How long until this node changes the keys at the latest.", "peer")
	sessionPackets  = describe("session_packets_total", "Packets sealed for a peer, and opened from it.", "peer", "direction")
	sessionRejected = describe("session_rejected_packets_total", "Packets that were no genuine ones of a peer, by reason.", "peer", "reason")
)

// descriptions are all of them.
var descriptions = []*prometheus.Desc{
	buildInfo, underlayUp, underlayMTU, underlayDrops, receiveErrors, unlearned, handshakesLost, strayFrames, strayBytes, strayDrops, rejectedOfNone,
	frames, bytes, forwarded, forwardedBytes, copies, answers, drops, portDrops,
	macs, macsLimit, macsRefused, movesHeld, remoteFrames, remoteBytes,
	sessionUp, sessionEpoch, sessionAge, sessionRotation, sessionPackets, sessionRejected,
}
