package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// grammar is which words a command takes after its name, as bridge fdb does.
type grammar struct {
	mac    bool     // a MAC comes first
	values []string // flags that can be written as "name VALUE"
	marks  []string // flags that can be written as their bare name
	silent []string // words that are true of whatever the command does
}

// take sets the flags that args name, and returns the MAC, as text, if one comes first.
func (g *grammar) take(c *cobra.Command, args []string) (mac string, err error) {
	if g.mac {
		if len(args) == 0 {
			return "", usagef("the MAC is missing: want %s", c.UseLine())
		}
		mac, args = args[0], args[1:]
	}
	for len(args) > 0 {
		if args, err = g.next(c, args); err != nil {
			return "", err
		}
	}
	return mac, nil
}

// next takes one word and its value off args.
func (g *grammar) next(c *cobra.Command, args []string) (rest []string, err error) {
	word := args[0]
	switch {
	case slices.Contains(g.values, word):
		if len(args) == 1 {
			return nil, usagef("%s needs a value", word)
		}
		return args[2:], setOnce(c.Flags(), word, args[1])
	case slices.Contains(g.marks, word):
		return args[1:], setOnce(c.Flags(), word, "true")
	case slices.Contains(g.silent, word):
		return args[1:], nil
	}
	if why := unsupported(word); why != "" {
		return nil, usagef("%s is not supported: %s", word, why)
	}
	return nil, usagef("unexpected %q: want %s", word, c.UseLine())
}

func setOnce(fs *pflag.FlagSet, name, value string) error {
	if fs.Changed(name) {
		return usagef("%s is given twice", name)
	}
	err := fs.Set(name, value)
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return usagef("%s: %w", name, bad.Unwrap())
	}
	return err
}

// unsupported says why a word of bridge fdb has no meaning here.
func unsupported(word string) string {
	switch word {
	case "via":
		return "the host's routes choose the interface towards a VTEP"
	case "src_vni":
		return "a network has one VNI, name it with vni N"
	case "nhid", "nexthop":
		return "an entry names its VTEP with dst ADDR"
	case "dynamic":
		return "what is configured stays; only learned entries age"
	case "local", "master", "brport", "vlan":
		return "there is no bridge behind a network"
	case "router", "use", "extern_learn", "sticky", "activity_notify", "norefresh":
		return "entries carry no such flag"
	}
	return ""
}
