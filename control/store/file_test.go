package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/control/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type book struct{ Names []string }

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on demand")
	path := filepath.Join(dir, "book.json")
	f := store.NewFile[book](path)
	if v, err := f.Load(); err != nil || v.Names != nil {
		t.Errorf("no file holds %v, %v", v, err)
	}
	for _, names := range [][]string{{"one"}, {"one", "two"}} {
		if err := f.Save(book{names}); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Load(); err != nil || strings.Join(v.Names, " ") != strings.Join(names, " ") {
			t.Errorf("it holds %v, %v", v, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	// One that was killed while it wrote leaves half a file beside it.
	if err := os.WriteFile(path+".new", []byte(`{"Nam`), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Load(); err != nil || len(v.Names) != 2 {
		t.Errorf("it holds %v, %v", v, err)
	}
	if err := f.Save(book{[]string{"three"}}); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("files %v, %v", list, err)
	}
}

// What cannot be kept is said, and what was kept stays.
func TestFileRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "book.json")
	f := store.NewFile[book](path)
	if err := f.Save(book{[]string{"one"}}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil { // in the way of the next one
		t.Fatal(err)
	}
	if err := f.Save(book{[]string{"two"}}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("saved to no file: %v", err)
	}
	if v, err := f.Load(); err != nil || v.Names[0] != "one" {
		t.Errorf("it holds %v, %v", v, err)
	}
	for _, text := range []string{"", "{", `{"Numbers": [1]}`, `[]`, `{"Names": ["one"]}{}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Load(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q is read: %v", text, err)
		}
	}
}

// What one uses, nobody else does meanwhile.
func TestLock(t *testing.T) {
	f := store.NewFile[book](filepath.Join(t.TempDir(), "made", "book.json"))
	unlock, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock(); !errors.Is(err, store.ErrInUse) {
		t.Errorf("locked twice: %v", err)
	}
	if err := f.Save(book{[]string{"one"}}); err != nil {
		t.Error(err)
	}
	unlock()
	again, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
}
