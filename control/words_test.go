package control_test

import (
	"path/filepath"
	"testing"

	"github.com/vxtap/vxtap/control"
)

// Files that are named from a directory stay the same files in another.
func TestPathsAreAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, tt := range []struct{ word, value, want string }{
		{"key", "key", filepath.Join(dir, "key")},
		{"key", "/etc/vxtap/key", "/etc/vxtap/key"},
		{"key", "", ""},
		{"psk-file", "sub/../psk", filepath.Join(dir, "psk")},
		{"netns", "./red", filepath.Join(dir, "red")},
		{"netns", "red", "red"},
		{"tap", "./x", "./x"},
	} {
		w := control.FindWord(control.Words(nil), tt.word)
		got, err := w.Absolute(tt.value)
		if got != tt.want || err != nil {
			t.Errorf("%s %q means %q, %v; want %q", tt.word, tt.value, got, err, tt.want)
		}
		var s control.NodeSpec
		var n control.NetworkSpec
		if err := w.Set(&s, &n, tt.value); err != nil || s.Seal.KeyFile+s.Seal.PSKFile+n.Port.NetNS+n.Port.Device != tt.want {
			t.Errorf("%s %q is taken for %+v, %+v, %v", tt.word, tt.value, s.Seal, n.Port.NetNS, err)
		}
	}
}
