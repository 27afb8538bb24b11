package pcapfilter

import "strings"

// word is one of an expression.
type word struct {
	text string
	at   int // offset, in bytes
	// quoted: it was written with a backslash, and so is no keyword.
	quoted bool
}

// split cuts an expression into words. Parentheses and ! stand for themselves, && and ||
// are the words and and or.
func split(s string) (words []word) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '(' || c == ')':
			words = append(words, word{text: s[i : i+1], at: i})
			i++
		case c == '!':
			words = append(words, word{text: "not", at: i})
			i++
		case strings.HasPrefix(s[i:], "&&"):
			words = append(words, word{text: "and", at: i})
			i += 2
		case strings.HasPrefix(s[i:], "||"):
			words = append(words, word{text: "or", at: i})
			i += 2
		default:
			n := strings.IndexAny(s[i:], " \t\r\n()!&|")
			switch n {
			case -1:
				n = len(s) - i
			case 0: // a lone & or |
				n = 1
			}
			text, quoted := strings.CutPrefix(s[i:i+n], `\`)
			words = append(words, word{text, i, quoted})
			i += n
		}
	}
	return words
}
