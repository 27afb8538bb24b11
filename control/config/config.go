package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/vxtap/vxtap/control"
)

// networksKey is the one key that is no word.
const networksKey = "networks"

// Load reads a file whose keys are words, and checks it as far as that can be done without
// touching the system.
func Load(path string, words []control.Word) (control.Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return control.Spec{}, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	return Read(f, path, words)
}

// Read is Load from a stream; errors call it name.
func Read(r io.Reader, name string, words []control.Word) (control.Spec, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	switch {
	case err != nil:
		return control.Spec{}, fmt.Errorf("read the configuration %s: %w", name, err)
	case len(text) > maxSize:
		return control.Spec{}, fmt.Errorf("%s has more than %d bytes: that is no configuration", name, maxSize)
	case !utf8.Valid(text):
		return control.Spec{}, fmt.Errorf("%s is no text: it has bytes that are not UTF-8", name)
	}
	root, err := parse(name, string(text))
	if err != nil {
		return control.Spec{}, err
	}
	f := &file{name: name, words: words}
	if err := f.read(root); err != nil {
		return control.Spec{}, err
	}
	return f.spec, f.check()
}

// file is a configuration while it is read: what it says, and where.
type file struct {
	name     string
	words    []control.Word
	spec     control.Spec
	node     section
	networks []section
}

// section is the node's or one network's part of a file: what was said in it, in order.
type section struct {
	token *token.Token // where it begins
	said  []saying
}

// saying is one value of one word.
type saying struct {
	word  *control.Word
	value string
	token *token.Token
}

// read takes the tree apart, top first: networks refer to the node.
func (f *file) read(root *ast.MappingNode) error {
	var list ast.Node
	f.node.token = root.GetToken()
	if len(root.Values) > 0 {
		f.node.token = root.Values[0].Key.GetToken()
	}
	err := f.each(root, control.OfNode, &f.node, func(key *token.Token, value ast.Node) (bool, error) {
		if key.Value == networksKey {
			list = value
		}
		return key.Value == networksKey, nil
	})
	if err != nil {
		return err
	}
	if err := f.node.write(f.name, &f.spec.Node, nil); err != nil {
		return err
	}
	return f.readNetworks(list)
}

func (f *file) readNetworks(list ast.Node) error {
	if list == nil || list.Type() == ast.NullType {
		return nil // an agent without networks, which the API may give it
	}
	seq, ok := list.(*ast.SequenceNode)
	if !ok {
		return at(f.name, list.GetToken(), errors.New("networks: want a list, with a dash before each network"))
	}
	for _, item := range seq.Values {
		m, ok := item.(*ast.MappingNode)
		if !ok || len(m.Values) == 0 {
			return at(f.name, item.GetToken(), errors.New("networks: want the words of one network after each dash"))
		}
		s := section{token: m.Values[0].Key.GetToken()}
		if err := f.each(m, control.OfNetwork, &s, nil); err != nil {
			return err
		}
		var own control.NodeSpec // takes the peers that the network names
		var network control.NetworkSpec
		if err := s.write(f.name, &own, &network); err != nil {
			return err
		}
		network.TakePeers(&f.spec.Node, own.Seal.Peers)
		f.networks = append(f.networks, s)
		f.spec.Networks = append(f.spec.Networks, network)
	}
	return nil
}

// each notes what a mapping says. Keys that are not for this scope go to other first.
func (f *file) each(m *ast.MappingNode, scope control.Scope, s *section, other func(*token.Token, ast.Node) (bool, error)) error {
	seen := make(map[string]bool)
	for _, pair := range m.Values {
		key := pair.Key.GetToken()
		if seen[key.Value] {
			return at(f.name, key, fmt.Errorf("%s is given twice: say it once, a list as one", key.Value))
		}
		seen[key.Value] = true
		if other != nil {
			if taken, err := other(key, pair.Value); taken || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		}
		w, err := f.word(key.Value, scope)
		if err != nil {
			return at(f.name, key, err)
		}
		if err := s.note(f.name, w, key, pair.Value); err != nil {
			return err
		}
	}
	return nil
}

// word finds the word of a key.
func (f *file) word(key string, scope control.Scope) (*control.Word, error) {
	w := control.FindWord(f.words, key)
	switch {
	case w != nil && w.Of.Has(scope):
		return w, nil
	case w != nil && scope == control.OfNode:
		return nil, fmt.Errorf("%s is about a network: it goes into the list of networks", key)
	case w != nil:
		return nil, fmt.Errorf("%s is about the node: it goes to the top of the file", key)
	}
	if near := f.near(key, scope); near != "" {
		return nil, fmt.Errorf("unknown key %q: did you mean %s?", key, near)
	}
	return nil, fmt.Errorf("unknown key %q: want one of %s", key, strings.Join(f.names(scope), ", "))
}

func (f *file) names(scope control.Scope) (list []string) {
	for _, w := range f.words {
		if w.Of.Has(scope) {
			list = append(list, w.Name)
		}
	}
	if scope == control.OfNode {
		list = append(list, networksKey)
	}
	return list
}

// near returns the word that a key is an s or an underscore away from.
func (f *file) near(key string, scope control.Scope) string {
	plain := func(s string) string {
		return strings.TrimRight(strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)), "s")
	}
	names := f.names(scope)
	if i := slices.IndexFunc(names, func(n string) bool { return plain(n) == plain(key) }); i >= 0 {
		return names[i]
	}
	return ""
}
