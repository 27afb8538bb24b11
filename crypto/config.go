package crypto

import (
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"io"
	"net/netip"
	"time"

	"github.com/flynn/noise"
)

// Config is what a node is made of.
type Config struct {
	Identity PrivateKey
	Suite    Suite          // the same at all nodes: with another one no handshake succeeds
	Local    netip.AddrPort // our VTEP's, told to peers so that they see a NAT; zero: not known
	Queues   int            // that are sealed on, 1 to MaxQueues; peers are told
	NAT      bool           // we are behind one: keepalives, and everything from the listening port

	// Keepalive is how long nothing is sent before a keepalive is; 0: 20 s with NAT, and
	// none without.
	Keepalive time.Duration

	// RotateAfter is how old an epoch gets at the most; 0: 12 hours.
	RotateAfter time.Duration

	// Clock must go on while the machine sleeps (CLOCK_BOOTTIME): keys age then too.
	// nil: the time since the node was made, which on Linux stands still in sleep.
	Clock func() time.Duration

	Wall   func() time.Time // for the stamps of initiations; nil: time.Now
	Random io.Reader        // nil: crypto/rand

	// Wake says that Poll has something to do before the time it returned. It is called
	// by any goroutine, must not block, and must not call the node.
	Wake func()

	// Events is told what an operator wants to know, by the goroutine whose call caused
	// it. nil: nobody.
	Events func(Event)
}

// NewNode makes a node without peers.
func NewNode(c Config) (*Node, error) {
	if !validQueues(uint8(min(max(c.Queues, 0), 255))) {
		return nil, fmt.Errorf("%d sending queues: want 1 to %d", c.Queues, MaxQueues)
	}
	if c.Suite.keySize() == 0 {
		return nil, fmt.Errorf("unknown cipher: %v", c.Suite)
	}
	if c.Identity == (PrivateKey{}) {
		return nil, fmt.Errorf("%w: a node needs a private key", ErrBadKey)
	}
	c.setDefaults()
	n := &Node{
		config:   c,
		public:   c.Identity.Public(),
		byKey:    make(map[PublicKey]*Peer),
		epochs:   make(map[uint32]*epoch),
		attempts: make(map[uint32]*attempt),
		promised: never,
	}
	n.noise = noiseConfig(noise.DHKey{Private: n.config.Identity[:], Public: n.public[:]}, c.Suite, c.Random)
	n.own, n.load.seed = ofPublic(n.public), maphash.MakeSeed()
	n.receiving.Store(newKeyIndex(nil))
	var err error
	if n.cookies, err = cookieCipher(n.public); err != nil {
		return nil, err
	}
	if n.jar, err = newJar(c.Random, c.Clock()); err != nil {
		return nil, err
	}
	n.challenger, err = newChallenger(c.Random)
	return n, err
}

func (c *Config) setDefaults() {
	if c.Clock == nil {
		start := time.Now()
		c.Clock = func() time.Duration { return time.Since(start) }
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.RotateAfter <= 0 {
		c.RotateAfter = defaultRotation
	}
	if c.Keepalive <= 0 && c.NAT {
		c.Keepalive = defaultKeepalive
	}
}

func validQueues(n uint8) bool { return n >= 1 && n <= MaxQueues }
