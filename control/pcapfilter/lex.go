package pcapfilter

import "strings"

// word is one of an expression.
type word struct {
	text string
	at   int // offset, in bytes
	// quoted: it was written with a backslash, and so is no keyword.
	quoted bool
}

const (
	spaces = " \t\r\n"
	// signs end a word, and are words.
	signs = "()!&|[]<>=+*/%^"
)

// isSign reports whether a word is one of signs, or of longSigns that are no names.
func (w *word) isSign() bool { return strings.IndexAny(w.text, signs+"-") == 0 }

// longSigns are those of two characters, and what they are called here.
var longSigns = map[string]string{"&&": "and", "||": "or", "!=": "!=", "<=": "<=", ">=": ">=", "==": "=", "<<": "<<", ">>": ">>"}

// split cuts an expression into words. && and || are the words and and or, ! is not. Within
// brackets a colon is a word; elsewhere it is a part of addresses, as - is of ranges unless a
// word begins with it.
func split(s string) (words []word) {
	brackets := 0
	for i := 0; i < len(s); {
		c, two := s[i], s[i:min(i+2, len(s))]
		text, end := s[i:i+1], i+1
		switch name, long := longSigns[two]; {
		case strings.IndexByte(spaces, c) >= 0:
			i++
			continue
		case long:
			text, end = name, i+2
		case c == '!':
			text = "not"
		case c == '-', c == ':' && brackets > 0, strings.IndexByte(signs, c) >= 0:
		default:
			stop := spaces + signs
			if brackets > 0 {
				stop += ":"
			}
			n := strings.IndexAny(s[i:], stop)
			if n < 0 {
				n = len(s) - i
			}
			end = i + n
			text = s[i:end]
		}
		switch text {
		case "[":
			brackets++
		case "]":
			brackets = max(0, brackets-1)
		}
		text, quoted := strings.CutPrefix(text, `\`)
		words = append(words, word{text, i, quoted})
		i = end
	}
	return words
}
