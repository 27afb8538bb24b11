package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. The parser takes time with the square of the depth, so that deep files
// are refused before it sees them.
const (
	maxSize  = 1 << 20 // bytes
	maxDepth = 8       // brackets and dashes within each other; the format has 3
)

// parse turns the text of a file into the tree of its one document.
func parse(name, text string) (*ast.MappingNode, error) {
	tokens := lexer.Tokenize(text)
	for _, t := range tokens {
		if err := checkToken(t); err != nil {
			return nil, at(name, t, err)
		}
	}
	if t := tooDeep(tokens); t != nil {
		return nil, at(name, t, errors.New("brackets, braces or dashes within each other deeper than any word is"))
	}
	file, err := parser.Parse(tokens, 0)
	var bad yaml.Error
	switch {
	case errors.As(err, &bad):
		return nil, at(name, bad.GetToken(), errors.New(strings.ReplaceAll(bad.GetMessage(), "\t", `\t`)))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return onlyDocument(name, file)
}

// onlyDocument returns what the file is about.
func onlyDocument(name string, file *ast.File) (*ast.MappingNode, error) {
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil || d.Body.Type() == ast.CommentType:
		case body != nil:
			return nil, at(name, d.Body.GetToken(), errors.New("a second document: a file is one"))
		default:
			body = d.Body
		}
	}
	switch m := body.(type) {
	case nil:
		return nil, fmt.Errorf("%s is empty: see vxtap config example", name)
	case *ast.MappingNode:
		return m, nil
	}
	return nil, at(name, body.GetToken(), errors.New("want keys with values: see vxtap config example"))
}

// checkToken refuses what makes YAML more than keys and values.
func checkToken(t *token.Token) error {
	if t.Error != "" {
		return errors.New(strings.ReplaceAll(t.Error, "\t", `\t`)) // a tab is white space in an error, too
	}
	switch t.Type {
	case token.AnchorType, token.AliasType:
		return errors.New("anchors and aliases are not taken: write the value out, or in quotes")
	case token.MergeKeyType:
		return errors.New("merging is not taken: write the keys out")
	case token.TagType:
		return errors.New("tags are not taken: a word knows the type of its value")
	case token.DirectiveType:
		return errors.New("directives are not taken")
	case token.MappingKeyType:
		return errors.New("write a key without a question mark")
	case token.LiteralType, token.FoldedType:
		return errors.New("no value has more than one line")
	}
	return nil
}

// tooDeep returns the first token that is deeper than maxDepth, or nil.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		}
		if brackets+dashes > maxDepth || t.Position.IndentNum > maxIndent {
			return t
		}
	}
	return nil
}

// maxIndent is more spaces than any key of the format has before it, unless it is meant.
const maxIndent = 80

// Error is something wrong at one place of a file.
type Error struct {
	File         string
	Line, Column int // from 1
	Err          error
}

// Error says where and what, in one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, strings.Join(strings.Fields(e.Err.Error()), " "))
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// at places an error.
func at(name string, t *token.Token, err error) error {
	if t == nil || t.Position == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return &Error{File: name, Line: t.Position.Line, Column: t.Position.Column, Err: err}
}
