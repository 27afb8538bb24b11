// Package crypto holds the sealed sessions between VTEPs: handshake, sealing and opening,
// replay windows, and the schedule by which keys are changed. It does no I/O and starts no
// goroutine: a [Node] is handed what arrives and the time, and returns what is to be sent.
// This page is what a reviewer needs; the code follows it.
//
// # Words
//
// A node has an identity, an X25519 key pair (RFC 7748), and peers, whose public keys it
// was told. An epoch is what one handshake made: one key for each direction, one index for
// each end. A session is the sequence of epochs with a peer. The initiator of an epoch is
// who began its handshake; both ends may.
//
// # Messages
//
// All go over the UDP port of VXLAN. The first byte has VXLAN's I flag clear (RFC 7348
// section 5), so a plain VTEP drops them. All numbers are big endian. Every message starts
// with eight bytes:
//
//	0  1  type: 0x40 data, 0x41 initiation, 0x42 response, 0x43 reply, 0x44 sign; 0x45 to 0x47 reserved
//	1  1  version: 1
//	2  2  flags: 0x0001 in data, partial inner checksum; a flag that is not known is refused
//	4  4  the receiver's index, by which it finds what the message is for; in an
//	      initiation the sender's
//
// Data and signs go on with a counter, and are AES-GCM (RFC 5116 section 5) with the 16
// bytes of the header as additional data, and 4 zero bytes and the counter as nonce:
//
//	 8  8  counter: the top byte is the sending queue, 0 to 15, or 16 for what no worker
//	       sends; the rest counts that queue's packets, from 0
//	16  …  sealed: VXLAN header and frame, or the body of a sign
//	 …  16 tag
//
// An address in what follows is 18 bytes: the port, and the address as IPv6, IPv4 mapped
// (RFC 4291 section 2.5.5.2); all zero if it is not known.
//
// An initiation is 196 bytes:
//
//	  8 32  Noise: e, the ephemeral public key
//	 40 48  Noise: s, the static public key of the initiator, sealed
//	 88 76  Noise: the payload, sealed; 60 bytes without the tag:
//	           0 12  stamp: seconds since 1970 (8) and nanoseconds (4)
//	          12 16  the receiver's challenge, or zero
//	          28  8  number of the epoch that is proposed
//	          36  4  the sender's index again: here nobody else can change it
//	          40  1  the sender's sending queues, 1 to 16
//	          41  1  flags: 1, the sender knows itself behind a NAT
//	          42 18  the address of the sender's VTEP, as it knows it
//	164 16  first MAC, over all before it
//	180 16  second MAC, over all before it, or zero
//
// A response is 138 bytes:
//
//	  8 32  Noise: e
//	 40 66  Noise: the payload, sealed; 50 bytes without the tag:
//	           0  8  number of the epoch
//	           8  4  the sender's index
//	          12  1  the sender's sending queues
//	          13  1  flags, as above
//	          14 18  the address of the sender's VTEP
//	          32 18  the address that the initiation came from
//	106 16  first MAC
//	122 16  second MAC; always zero, and not looked at
//
// A reply is 56 bytes, what a receiver says instead of a response. The 12 bytes up to the
// nonce, and the first MAC of the initiation that it answers, are its additional data:
//
//	 8  1  kind: 1 cookie, 2 challenge
//	 9  3  zero
//	12 12  nonce, random
//	24 32  AES-256-GCM: the 16 bytes of the cookie or challenge, and the tag
//
// A sign is 52 bytes: a keepalive, a confirmation or the answer to one. Its body is sealed
// like data:
//
//	0  1  flags: 1, a sign is wanted in return
//	1  1  zero
//	2 18  the address where the sender sees the receiver
//
// No message is answered with a longer one, but for a challenge, which only a peer can
// make and which has one initiation of 196 bytes as its answer. A peer that is not
// where it is configured is asked there, with a sign, 1 s after it moved or less, and again
// after 1 s, doubled up to 30 s; for 15 s also where it was before.
//
// A node with keepalives ([Config.Keepalive]) sends a sign whenever it sent nothing for that
// long. If nothing was heard either, it asks for one in return, and when five such
// intervals brought nothing, it begins a new session: a peer that was restarted may not be
// able to reach it.
//
// # Handshake
//
// Noise_IKpsk2_25519_AESGCM_SHA256 (the Noise Protocol Framework, revision 34, sections
// 7.5 and 9), by github.com/flynn/noise, with the prologue "vxtap sealed v1" and one byte
// for the cipher suite of data: 0 for AES-128-GCM, 1 for AES-256-GCM. Ends that differ in
// it do not understand each other. Without a pre-shared key it is 32 zero bytes, and the
// handshake as good as IK.
//
//	initiator                                  responder
//	  ── initiation  e, es, s, ss ──────────────▶  makes the epoch, receives in it
//	  ◀───────────── response  e, ee, se, psk ──
//	  sends in it
//	  ── sign, an answer is wanted ─────────────▶  sends in it
//	  ◀──────────────────────────────── sign ──
//
// The first MAC is HMAC-SHA256 (RFC 2104), truncated to 16 bytes, its key SHA-256 of "vxtap
// v1 mac1 " and the receiver's public key. The second is the same with the cookie as its
// key. A message is looked at in the order of what that costs:
//
//  1. Size, version and flags; for all but initiations the index must be one that is in use.
//  2. The first MAC: a stranger who does not know the receiver's public key is refused
//     after one HMAC.
//  3. If more than 200 initiations came in a second (200 more at once are let pass), the
//     second MAC: without it the answer is a cookie, at most 1000 a second. Those who have
//     one get 20 initiations a second read, by address, in IPv6 by the subnet of 64 bits; a
//     table of 64 such limits is shared.
//  4. The Noise message. Unknown keys are refused, and nothing kept of them.
//  5. The stamp must be later than all taken from this peer, or the challenge the right
//     one. Else the answer is a challenge, ten a second for each peer.
//
// A cookie is HMAC-SHA256, truncated to 16 bytes, of the sender's address and port under
// a secret of the receiver's. Secrets are made every two minutes; a cookie is taken under
// the current and the previous one. It is sealed with the key SHA-256 of "vxtap v1 cookie "
// and the giver's public key, so that those who know that key can read and forge it: it
// shows an address, and nothing else. The nonces of replies are random; that NIST SP
// 800-38D section 8.3 allows 2^32 of them for a key matters for secrecy that is not
// claimed here.
//
// A challenge is HMAC-SHA256, truncated to 16 bytes, of the peer's public key and the
// number of its initiations that were taken, under a secret that the node made when it
// started. An initiation that is taken makes it stale. It is sealed with HKDF-SHA256 (RFC
// 5869) of the X25519 secret of the two static keys, its salt the pre-shared key, its info
// "vxtap v1 challenge " and the public key of the giver; at ten a second, the 2^32 nonces
// of that key last for 13 years.
//
// Clocks matter for nothing else. Stamps of a running node only go up, whatever its clock
// does; a restarted one with an earlier clock is challenged, which costs a round trip. A
// challenge does not lower what counts as the latest stamp: of the initiations recorded
// before a clock went back none is ever taken again. A node that was restarted itself has
// forgotten all stamps: a replayed initiation makes it an epoch then that nobody can
// confirm, that displaces nothing, moves nobody, and is gone after 60 s. The same goes for a
// peer that was removed and added again.
//
// A node initiates as soon as it has a peer, and again after 300 ms, doubled with each try
// up to 5 s, with a quarter of jitter either way, for ever; waiting frames
// shorten the first three pauses of such a series to 200 ms, and no more: where an answer takes
// longer, the newest initiation would never be the one that is answered. A response is taken
// for 10 s, however many initiations followed (16 are kept), and so are replies. The first
// challenge of a series is followed by an initiation at once, other replies by one 200 ms after
// the last at the earliest. Without a session for 10 s that is said, and again each 10 minutes.
//
// # Keys of data
//
// Noise's Split (section 5.2) gives 32 bytes for each direction. The key of data is
// HKDF-SHA256 of those, its salt the hash of the whole handshake (section 11.2), its info
//
//	"vxtap v1 data " name " " sender
//
// with name "aes-128-gcm" or "aes-256-gcm" and sender "initiator" or "responder"; 16 or 32
// bytes.
//
// # Epochs
//
// The initiator sends in a new epoch once it has the response, which is fresh: it depends
// on the initiator's ephemeral key. The responder receives in it before its answer leaves,
// and sends in it after the first packet of the initiator's that authenticates: until then
// the initiation may be a replay. The initiator sends a sign at once, and again after
// 100 ms, doubled each time, until it has heard anything in the epoch; after 6.3 s it
// begins another handshake.
//
// Both ends order epochs alike: by number, and if handshakes crossed and have the same,
// by the public key of the initiator. The initiator proposes one more than the highest that
// it knows; the responder makes that at least one more than the highest that it knows.
// Both send in the highest that is confirmed. Only those that are confirmed count as known, and
// none is more than 2^32 above the last: who cannot confirm an epoch has no say in numbers.
//
// An epoch that was followed by a higher one is received for 60 s more; if three higher ones
// are confirmed, for 2 s after it was followed. Three unconfirmed ones of a peer are kept, 60 s
// each, and others for 10 s. Of either kind there are 16 at the most. Unconfirmed ones displace
// no confirmed one.
//
// Keys are changed every 12 hours ([Config.RotateAfter]): the initiator of the current epoch
// begins at a random point between 90 % and 95 % of that, the responder at 97 % if nothing
// happened. They are changed as well when a queue has used three quarters of its share of
// packets, but not within the first ten seconds of an epoch; [Node.Rotate] does not wait for
// that, only 100 ms between handshakes; it goes on until there is an epoch whose handshake began
// after the call. Who
// cannot reach the peer goes on for a twelfth longer (13 hours; a minute at least) and says
// so. Then the keys are dropped: nothing is sent and nothing received until there is a
// new epoch.
//
// # Limits
//
//   - A key seals 2^32 packets at the most, in equal shares for its queues and the control
//     queue. NIST SP 800-38D section 8.3 demands that of random nonces; ours count, so that
//     none is used twice whatever the number, and the limit bounds how much is under one key
//     (RFC 5116 section 5.1 has 2^36 bytes for one packet, and no limit for their number).
//     At the limit sending stops.
//   - Counters have 56 bits, more than a share. Epochs are never continued after a restart: no
//     nonce can come again under a key, unless the machine's memory does (see below).
//   - The replay window is that of RFC 6479, 16320 packets wide, one for each queue of the
//     sender; it is asked after authentication (RFC 4303 section 3.4.3).
//   - A forgery of one packet succeeds with 2^-128 times the packet's length in blocks (NIST
//     SP 800-38D appendix C), about 2^-121 for 1500 bytes. Refusals are counted by reason.
//   - A node keeps for each peer at most 32 epochs and 16 initiations, for strangers nothing.
//   - Data moves a peer behind a NAT once a second at the most, and in an epoch that was not
//     followed by another. Moves are told once a second.
//
// # What is protected
//
// Frames and VXLAN headers are secret and authenticated between the two ends, and come in at
// most once. Peers are told apart by their keys: a frame is attributed to the peer in whose
// epoch it was sealed, not to an address.
//
// Forward secrecy: who learns all static keys and pre-shared keys of today cannot read what
// was sealed in epochs that ended before (Noise's payload security of IK, section 7.7), once
// their keys are gone from memory. Who learns a node's static private key, and
// the pre-shared keys, can pretend to be that node. To that node he can send initiations
// in another's name (IK's first message does not resist key-compromise impersonation), but
// not confirm what they propose; which is why an initiation does nothing but propose.
//
// The pre-shared key, if it is secret, keeps sessions secret even from somebody who breaks
// X25519 later; the identity of the initiator and the payload of the initiation are not
// covered by it.
//
// Identities: the initiator's public key is sealed for the responder. Who records
// initiations and later learns the responder's private key learns who initiated (there is
// no forward secrecy for it), and who knows a public key can test by the first MAC whether
// messages are for its owner.
//
// # What is not protected
//
//   - Sizes, times, and number of packets, the sending queue, and which packets belong to an
//     epoch are plain to see; nothing is padded. Outer addresses, ports, TTL and DSCP too;
//     the source port tells flows apart.
//   - Whoever is on the path can drop and delay, and by carrying a packet from another address
//     before it arrives can have a peer looked for there. If the peer is where it is
//     configured, that ends with the first question there that gets through with its answer,
//     and they come every half minute at the least; a peer behind a NAT moves back with its
//     next packet. An attacker who carries everything stays
//     in the path. He reads and changes nothing.
//   - Holders of a pre-shared key from which identities are derived ([PSK.Identity]) are not
//     told apart from each other: each can be any.
//   - A peer decides where it is heard from: with a sign or data whose source address is forged
//     it has what we send to it go to somebody else, for as long as it likes; questions to other
//     addresses limit what strangers do, not that. No more goes there than is sent to the peer.
//   - A virtual machine that is resumed from a snapshot, or a clone, goes on with epochs and
//     counters that were used since: nonces come twice under one key, which gives away the
//     frames and the authentication of that epoch. Nothing here notices. Such a node must be
//     restarted, not resumed.
//   - This package's copies of keys are wiped when their use ends: transport keys once the cipher
//     is made, split keys and the ephemeral private key with the handshake, static and pre-shared
//     keys with the node. Copies of the owner are not its: the identity in the [Config] that was
//     passed, pre-shared keys in a [PeerConfig], and the text of key files. What the standard library and the Noise library derive or copy (key
//     schedules, chaining keys, the pre-shared key within a handshake, HMAC states) cannot be:
//     it loses its last reference and goes to the garbage collector, and the collector clears
//     nothing at a time that one could name.
//
// # Constant time
//
// Both MACs and challenges are compared with crypto/hmac.Equal, tags by crypto/cipher, and
// whether a point is of low order by crypto/ecdh. X25519 is constant time, AES-GCM where
// the processor has instructions for it. Public keys, indices, stamps, numbers and
// addresses are compared like any bytes: strangers know them, or they were authenticated.
package crypto
