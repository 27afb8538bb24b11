package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/vxtap/vxtap/control"
)

// note takes down the values of a word. A list of one needs no dash.
func (s *section) note(name string, w *control.Word, key *token.Token, value ast.Node) error {
	values := []ast.Node{value}
	if seq, ok := value.(*ast.SequenceNode); ok {
		if !w.List {
			return at(name, key, fmt.Errorf("%s: want one value, not a list", w.Name))
		}
		values = seq.Values
	}
	for _, v := range values {
		text, err := textOf(v)
		if err != nil {
			return at(name, place(v, key), fmt.Errorf("%s: %w", w.Name, err))
		}
		s.said = append(s.said, saying{w, text, place(v, key)})
	}
	return nil
}

// place returns where a value is; one that is not there is where its key is.
func place(v ast.Node, key *token.Token) *token.Token {
	if v == nil || v.Type() == ast.NullType {
		return key
	}
	return v.GetToken()
}

// textOf returns a value as it was written: its word knows what it means.
func textOf(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, nil
	case nil, *ast.NullNode:
		return "", errors.New("the value is missing")
	case *ast.MappingNode, *ast.MappingValueNode:
		return "", errors.New("want a value, not keys: one with a colon and a space in it goes in quotes")
	}
	return "", fmt.Errorf("want a plain value, not a %v", n.Type())
}

// write has every word write down what was said.
func (s *section) write(name string, node *control.NodeSpec, network *control.NetworkSpec) error {
	for _, say := range s.said {
		if err := say.word.Set(node, network, say.value); err != nil {
			return at(name, say.token, fmt.Errorf("%s: %w", say.word.Name, err))
		}
	}
	return nil
}

// check finds what single words could not show, and where.
func (f *file) check() error {
	if err := f.spec.Node.Check(); err != nil {
		return at(f.name, f.blame(&f.node, err, func(s *section) error {
			var node control.NodeSpec
			_ = s.write(f.name, &node, nil) // which it did before
			return node.Check()
		}), err)
	}
	for i := range f.networks {
		if err := f.spec.Networks[i].Check(f.spec.Node); err != nil {
			return at(f.name, f.blame(&f.networks[i], err, f.checkNetwork), err)
		}
	}
	if i, err := f.spec.Clash(); err != nil {
		return at(f.name, f.clash(i), err)
	}
	return nil
}

func (f *file) checkNetwork(s *section) error {
	var own control.NodeSpec
	var network control.NetworkSpec
	_ = s.write(f.name, &own, &network)
	node := f.spec.Node
	network.TakePeers(&node, own.Seal.Peers)
	return network.Check(node)
}

// blame returns the place of the last value without which nothing would be wrong, or else of
// one that the error names, or else where the section begins.
func (f *file) blame(s *section, err error, check func(*section) error) *token.Token {
	for i := len(s.said) - 1; i >= 0 && len(s.said) <= maxBlamed; i-- {
		rest := section{s.token, append(append([]saying(nil), s.said[:i]...), s.said[i+1:]...)}
		if check(&rest) == nil {
			return s.said[i].token
		}
	}
	for _, say := range s.said {
		if strings.Contains(err.Error(), " "+say.value+" ") {
			return say.token
		}
	}
	return s.token
}

// clash returns the place of what network i has in common with another: its VNI, or the name
// of its device, which is the VNI's where none was given.
func (f *file) clash(i int) *token.Token {
	place := f.networks[i].token
	vni := f.spec.Networks[i].VNI
	again := slices.ContainsFunc(f.spec.Networks[:i], func(n control.NetworkSpec) bool { return n.VNI == vni })
	for _, say := range f.networks[i].said {
		switch {
		case say.word.Name == "tap" && !again:
			return say.token
		case say.word.Name == "vni":
			place = say.token
		}
	}
	return place
}

// maxBlamed is how many values are tried one by one, as each has all others checked.
const maxBlamed = 500
