package api_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vxtap/vxtap/control/api"
)

// leaveSocket leaves at path what an agent that was killed leaves.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

func TestListenMakesAndRemoves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "vxtap")
	path := filepath.Join(dir, "vxtap.sock")
	ln := listen(t, path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("socket is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("directory is %v, %v", info.Mode(), err)
	}
	for range 2 {
		if err := ln.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close left its directory: %v", err)
	}
}

func TestListenInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	listen(t, path)
	_, err := api.Listen(path)
	checkInUse(t, path, err)
}

// A program that listens there without our lock is no leftover either.
func TestListenInUseByStranger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = api.Listen(path)
	checkInUse(t, path, err)
	if left := files(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("the directory has %v, want only the stranger's socket", left)
	}
}

func checkInUse(t *testing.T, path string, err error) {
	t.Helper()
	var use *api.InUseError
	if !errors.As(err, &use) || use.Path != path {
		t.Fatalf("got %v", err)
	}
	if runtime.GOOS == "linux" && use.PID != os.Getpid() {
		t.Errorf("held by pid %d, want %d", use.PID, os.Getpid())
	}
	if !strings.Contains(err.Error(), "an agent already answers on "+path) || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("got %q", err)
	}
}

func TestListenReplacesLeftover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	leaveSocket(t, path)
	ln := listen(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ln.Close()
	if left := files(t, filepath.Dir(path)); len(left) > 0 {
		t.Errorf("Close left %v", left)
	}
}

func TestListenKeepsWhatIsNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "data" {
		t.Errorf("the file is %q, %v", data, err)
	}
	if left := files(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("the directory has %v", left)
	}
}

// Of many that start at once over a leftover, one listens, and its socket stays.
func TestListenRace(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "vxtap.sock")
		leaveSocket(t, path)
		var won []net.Listener
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ln, err := api.Listen(path)
				mu.Lock()
				defer mu.Unlock()
				var use *api.InUseError
				if err == nil {
					won = append(won, ln)
				} else if !errors.As(err, &use) {
					t.Errorf("Listen: %v", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d listen on one path", len(won))
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatalf("the winner cannot be reached: %v", err)
		}
		conn.Close()
		won[0].Close()
	}
}

func TestCloseKeepsAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln := listen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := ln.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other's socket is gone: %v", err)
	}
}

func TestBadSocketPaths(t *testing.T) {
	for path, says := range map[string]string{
		"":                                 "path of the socket is empty",
		"@vxtap":                           "want the path of a file",
		"/tmp/" + strings.Repeat("x", 103): "has 108 bytes: at most",
		"/dev/null/vxtap.sock":             "make the directory of socket /dev/null/vxtap.sock",
	} {
		if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Listen(%q): %v, want %q", path, err, says)
		}
	}
	_, err := api.NewClient("@vxtap").Node(t.Context())
	if err == nil || !strings.Contains(err.Error(), "want the path of a file") {
		t.Errorf("client: %v", err)
	}
}

// A directory that was made for the socket goes with it, one that was there stays, and so does
// one that somebody else has come to use.
func TestSocketDirectory(t *testing.T) {
	for _, there := range []bool{false, true} {
		for _, used := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "run")
			if there {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			ln, err := api.Listen(filepath.Join(dir, "s"))
			if err != nil {
				t.Fatal(err)
			}
			if used {
				if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(dir); (err == nil) != (there || used) {
				t.Errorf("there %v, used %v: %v", there, used, err)
			}
		}
	}
}
