package main

import "github.com/spf13/pflag"

// parsed is a flag whose text becomes a value through a parse function, so that a bad
// one is refused where it stands, in the parser's words.
type parsed[T any] struct {
	value *T
	parse func(string) (T, error)
	text  string
	kind  string
}

// Set implements pflag.Value.
func (p *parsed[T]) Set(s string) error {
	v, err := p.parse(s)
	if err != nil {
		return err
	}
	*p.value, p.text = v, s
	return nil
}

// String implements pflag.Value: the text given, or the default's.
func (p *parsed[T]) String() string { return p.text }

// Type implements pflag.Value: what help calls the value.
func (p *parsed[T]) Type() string { return p.kind }

// flagOf adds a flag. The text of the default is for help; *value holds it already.
func flagOf[T any](fs *pflag.FlagSet, value *T, parse func(string) (T, error), name, kind, deflt, usage string) {
	fs.Var(&parsed[T]{value: value, parse: parse, text: deflt, kind: kind}, name, usage)
}

// listOf adds a flag that may be given more than once.
func listOf[T any](fs *pflag.FlagSet, list *[]T, parse func(string) (T, error), name, kind, usage string) {
	fs.Var(&parsedList[T]{list: list, parse: parse, kind: kind}, name, usage+"; may be given more than once")
}

type parsedList[T any] struct {
	list  *[]T
	parse func(string) (T, error)
	kind  string
}

// Set implements pflag.Value.
func (p *parsedList[T]) Set(s string) error {
	v, err := p.parse(s)
	if err == nil {
		*p.list = append(*p.list, v)
	}
	return err
}

// String implements pflag.Value: a list is empty by default.
func (p *parsedList[T]) String() string { return "" }

// Type implements pflag.Value: what help calls one value.
func (p *parsedList[T]) Type() string { return p.kind }
