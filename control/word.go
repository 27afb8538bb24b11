package control

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vxtap/vxtap/control/api"
)

// Word is one of the words in which a user says what an agent is to do. They are the flags
// of vxtap up, the keys of the configuration file, and those of a network on the API.
type Word struct {
	Name    string
	Kind    string // what help calls a value; empty if it is true or false
	Default string // the value's text where the word is not said, for help
	Usage   string // for help
	List    bool   // may be said more than once
	Of      Scope
	Sealing bool // means nothing to plain networks

	set  func(*NodeSpec, *NetworkSpec, string) error
	same func(a, b saying) bool
	path func(string) (string, error) // makes a value absolute; nil if none is a path
}

// Scope is whom a word is about.
type Scope uint8

// The scopes. A peer is the node's, and a remote of the network for which it is named.
const (
	OfNode Scope = 1 << iota
	OfNetwork
	OfBoth = OfNode | OfNetwork
)

// Has reports whether a word of scope s can be said of other.
func (s Scope) Has(other Scope) bool { return s&other != 0 }

// saying is where words write down what they say.
type saying struct {
	node    *NodeSpec
	network *NetworkSpec
}

// Set says the word: it parses a value and writes it down. A word of the node alone leaves
// network as it is, and any other node; that may be nil then.
func (w *Word) Set(node *NodeSpec, network *NetworkSpec, value string) error {
	return w.set(node, network, value)
}

// Absolute returns what a value means to a process in another directory: files are named
// from the root on.
func (w *Word) Absolute(value string) (string, error) {
	if w.path == nil {
		return value, nil
	}
	return w.path(value)
}

// naming makes a word one whose values name files.
func (w Word) naming(path func(string) (string, error)) Word {
	w.path = path
	return w
}

// FindWord returns the word of that name, or nil.
func FindWord(words []Word, name string) *Word {
	i := slices.IndexFunc(words, func(w Word) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	return &words[i]
}

// ofNode makes a word for a field of the node.
func ofNode[T comparable](name, kind, deflt, usage string, parse func(string) (T, error), field func(*NodeSpec) *T) Word {
	return Word{
		Name: name, Kind: kind, Default: deflt, Usage: usage, Of: OfNode,
		set:  func(n *NodeSpec, _ *NetworkSpec, s string) error { return store(field(n), parse, s) },
		same: func(a, b saying) bool { return *field(a.node) == *field(b.node) },
	}
}

// ofNetwork makes a word for a field of a network.
func ofNetwork[T comparable](name, kind, deflt, usage string, parse func(string) (T, error), field func(*NetworkSpec) *T) Word {
	return Word{
		Name: name, Kind: kind, Default: deflt, Usage: usage, Of: OfNetwork,
		set:  func(_ *NodeSpec, n *NetworkSpec, s string) error { return store(field(n), parse, s) },
		same: func(a, b saying) bool { return *field(a.network) == *field(b.network) },
	}
}

// listOfNode makes a word for a list of the node, to which each saying adds one.
func listOfNode[T comparable](name, kind, usage string, parse func(string) (T, error), field func(*NodeSpec) *[]T) Word {
	return Word{
		Name: name, Kind: kind, Usage: usage, Of: OfNode, List: true,
		set:  func(n *NodeSpec, _ *NetworkSpec, s string) error { return add(field(n), parse, s) },
		same: func(a, b saying) bool { return slices.Equal(*field(a.node), *field(b.node)) },
	}
}

// listOfNetwork makes a word for a list of a network.
func listOfNetwork[T comparable](name, kind, usage string, parse func(string) (T, error), field func(*NetworkSpec) *[]T) Word {
	return Word{
		Name: name, Kind: kind, Usage: usage, Of: OfNetwork, List: true,
		set:  func(_ *NodeSpec, n *NetworkSpec, s string) error { return add(field(n), parse, s) },
		same: func(a, b saying) bool { return slices.Equal(*field(a.network), *field(b.network)) },
	}
}

func store[T any](field *T, parse func(string) (T, error), s string) error {
	v, err := parse(s)
	if err == nil {
		*field = v
	}
	return err
}

func add[T any](list *[]T, parse func(string) (T, error), s string) error {
	v, err := parse(s)
	if err == nil {
		*list = append(*list, v)
	}
	return err
}

// tapWord is the name of a network's own device, or says that it has none.
func tapWord(parseName func(string) (string, error)) Word {
	return Word{
		Name: "tap", Kind: "NAME|none", Of: OfNetwork,
		Usage: "name of the TAP (default vx<VNI>), or none, if ports are to come later only",
		set: func(_ *NodeSpec, n *NetworkSpec, s string) error {
			n.NoPort, n.Port.Device = s == "none", ""
			if n.NoPort {
				return nil
			}
			return store(&n.Port.Device, parseName, s)
		},
		same: func(a, b saying) bool {
			return a.network.NoPort == b.network.NoPort && a.network.Port.Device == b.network.Port.Device
		},
	}
}

// localWord is for the node's addresses.
func localWord() Word {
	return Word{
		Name: "local", Kind: "ADDR", Of: OfNode, List: true,
		Usage: "underlay address of this host, from which it answers (required); a second one of the other family is for networks of that",
		set: func(n *NodeSpec, _ *NetworkSpec, s string) error {
			a, err := ParseLocal(s)
			switch {
			case err != nil:
				return err
			case !n.Local.IsValid():
				n.Local = a
			case n.Other.IsValid() || a.Is4() == n.Local.Is4():
				return fmt.Errorf("address %v beside %v: give one IPv4 and one IPv6 address at most", a, n.Local)
			default:
				n.Other = a
			}
			return nil
		},
		same: func(a, b saying) bool { return a.node.Local == b.node.Local && a.node.Other == b.node.Other },
	}
}

// tunWord says of which kind a network's own device is.
func tunWord() Word {
	return Word{
		Name: "tun", Default: "false", Of: OfNetwork,
		Usage: "the device carries IP packets and no Ethernet frames, for systems without TAP; nobody else can tell",
		set: func(_ *NodeSpec, n *NetworkSpec, s string) error {
			tun, err := parseTruth(s)
			if n.Port.Kind = ""; tun {
				n.Port.Kind = KindTUN
			}
			return err
		},
		same: func(a, b saying) bool { return a.network.Port.Kind == b.network.Port.Kind },
	}
}

// tosWord is the one word for two fields.
func tosWord() Word {
	return Word{
		Name: "tos", Kind: "inherit|N", Default: "inherit", Of: OfNetwork,
		Usage: "TOS or traffic class of outer packets; its ECN bits always follow the inner packet",
		set: func(_ *NodeSpec, n *NetworkSpec, s string) error {
			var t api.TOS
			err := store(&t, ParseTOS, s)
			n.TOS, n.FixedTOS = t.Value, t.Fixed
			return err
		},
		same: func(a, b saying) bool {
			return a.network.TOS == b.network.TOS && a.network.FixedTOS == b.network.FixedTOS
		},
	}
}

func parseText(s string) (string, error) { return s, nil }

// absolutePath makes the name of a file one that is the same in every directory. None stays
// none.
func absolutePath(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	return filepath.Abs(s)
}

// AbsoluteNamespace turns the path of a network namespace into one from the root on, as an
// agent in another directory may read it. Names that are not paths stay.
func AbsoluteNamespace(s string) (string, error) {
	if !strings.Contains(s, "/") {
		return s, nil
	}
	return absolutePath(s)
}

func parseTruth(s string) (bool, error) {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return false, fmt.Errorf("bad value %q: want true or false", s)
	}
	return v, nil
}

// parseUntruth is for a word that says the contrary of its field.
func parseUntruth(s string) (bool, error) {
	v, err := parseTruth(s)
	return !v, err
}

func parseMask(s string) (uint64, error) {
	m, err := ParseReservedBits(s)
	return uint64(m), err
}

// parseMaxMACs parses how many MACs may be learned.
func parseMaxMACs(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 24)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("bad number of MACs %q: want one from 1 to %d", s, 1<<24-1)
	}
	return int(n), nil
}
