package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
)

// An agent that runs does not take a file for its own that has the same name in another
// directory: it gets the whole path, and takes nothing less.
func TestKeyFileHandedOver(t *testing.T) {
	file := secretFile(t, crypto.PrivateKey{1}.Base64())
	t.Chdir(filepath.Dir(file))
	a := openSealed(t, newMemDrivers(), "10.9.0.1", control.SealSpec{PSKFile: file})
	up := func(words api.Words) string {
		words["vni"], words["sealed"], words["remote"] = []string{"42"}, []string{"true"}, []string{"10.9.0.2"}
		held, err := a.Up(words)
		if err != nil {
			return err.Error()
		}
		if err := held.Remove(); err != nil {
			t.Error(err)
		}
		return ""
	}
	said := func() api.Words {
		var s said
		fs := pflag.NewFlagSet("up", pflag.ContinueOnError)
		s.flags(fs, control.OfBoth)
		if err := fs.Parse([]string{"--psk-file", filepath.Base(file)}); err != nil {
			t.Fatal(err)
		}
		return s.words
	}
	if got := up(said()); got != "" {
		t.Error(got)
	}
	if got := up(api.Words{"psk-file": {filepath.Base(file)}}); !strings.Contains(got, "want one from the root on") {
		t.Errorf("a relative path: %q", got)
	}
	if got := up(api.Words{"psk-file": {"/." + file}}); got != "" {
		t.Errorf("the same path, written otherwise: %q", got)
	}
	t.Chdir(t.TempDir())
	if got := up(said()); !strings.Contains(got, "contradicts the agent") {
		t.Errorf("another file of that name: %q", got)
	}
}
