package api

import (
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
)

// Keys is what GET /v1/keys answers: who the node is in sealed networks, and how it stands
// with its peers. Nothing in it is a secret.
type Keys struct {
	// PublicKey is the node's own; zero if it has no sealed networks, and then all else is.
	PublicKey crypto.PublicKey `json:"public_key,omitzero"`
	Cipher    string           `json:"cipher,omitempty"` // that frames are sealed with
	NAT       bool             `json:"nat"`              // it is behind one
	Peers     []PeerKeys       `json:"peers"`            // by VTEP address
	// Rejected counts what came and could not be told to be of any peer, by reason.
	Rejected map[string]uint64 `json:"rejected,omitempty"`
}

// PeerKeys is the state of the keys shared with one peer. What is said of an epoch is of
// the one that is sent in, and zero if there is none.
type PeerKeys struct {
	PublicKey crypto.PublicKey `json:"public_key"`
	VTEP      netip.AddrPort   `json:"vtep"`              // as configured
	Endpoint  netip.AddrPort   `json:"endpoint,omitzero"` // where it was heard from
	NAT       bool             `json:"nat"`               // one is between us, or was configured
	State     string           `json:"state"`             // "secure", "overdue" for new keys, or "no-session"

	Epoch      uint64 `json:"epoch"` // counts from 1, the same at both ends
	AgeSeconds uint32 `json:"age_seconds"`
	// NextRotationSeconds is how long until this node changes the keys, unless the peer
	// does before; 0 if that is under way.
	NextRotationSeconds uint32 `json:"next_rotation_seconds"`

	// Sent and Received count packets, of all epochs.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// Rejected counts what came and was no genuine packet of this peer, by reason.
	Rejected map[string]uint64 `json:"rejected"`
}

// KeysRotate asks for new keys with the peer that has the public key and the VTEP address
// given, or with every peer if both are left out.
type KeysRotate struct {
	PublicKey crypto.PublicKey `json:"public_key,omitzero"`
	VTEP      netip.Addr       `json:"vtep,omitzero"`
}

// KeysRotated says with how many peers new keys were asked for. They are in use when their
// epochs go up; what is sent meanwhile is sealed with the old ones.
type KeysRotated struct {
	Peers int `json:"peers"`
}
