package main

import (
	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
)

// said is what the flags of a command say: the specs that the words wrote, and the words
// themselves, for an agent that is to read them anew.
type said struct {
	node    control.NodeSpec
	network control.NetworkSpec
	words   api.Words
}

// flags makes a flag of every word that can be said of whom scope names.
func (s *said) flags(fs *pflag.FlagSet, scope control.Scope) {
	s.words = api.Words{}
	words := control.Words(checkTAPName)
	for i := range words {
		w := &words[i]
		if !w.Of.Has(scope) {
			continue
		}
		f := &wordFlag{word: w, said: s, text: w.Default}
		usage := w.Usage
		if w.List {
			usage += "; may be given more than once"
		}
		fs.Var(f, w.Name, usage)
		if w.Kind == "" {
			fs.Lookup(w.Name).NoOptDefVal = "true"
		}
	}
}

// wordFlag is one word as a flag.
type wordFlag struct {
	word *control.Word
	said *said
	text string
}

// Set implements pflag.Value.
func (f *wordFlag) Set(s string) error {
	s, err := f.word.Absolute(s) // an agent in another directory may read it
	if err != nil {
		return err
	}
	if err := f.word.Set(&f.said.node, &f.said.network, s); err != nil {
		return err
	}
	f.text = s
	if f.word.List {
		f.said.words[f.word.Name] = append(f.said.words[f.word.Name], s)
	} else {
		f.said.words[f.word.Name] = []string{s}
	}
	return nil
}

// String implements pflag.Value: the text given, or the default's; a list is empty by
// default.
func (f *wordFlag) String() string {
	if f.word == nil || f.word.List {
		return ""
	}
	return f.text
}

// Type implements pflag.Value: what help calls the value.
func (f *wordFlag) Type() string {
	if f.word.Kind == "" {
		return "bool" // which help knows not to name
	}
	return f.word.Kind
}
