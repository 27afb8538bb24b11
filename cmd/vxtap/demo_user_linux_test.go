package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is an ordinary user.
const nobody = 65534

// asNobody makes a demo run as nobody, in a mount namespace where script, for a shell,
// has prepared /dev/net/tun. Its directory is one that nobody may use, and holds two TUN
// devices, open for everybody and for root alone.
func asNobody(t *testing.T, script string) func(*exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("", "vxtap-test-")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chown(dir, nobody, nobody))
	makeTUN(t, filepath.Join(dir, "open"), 0o666)
	makeTUN(t, filepath.Join(dir, "closed"), 0o600)
	exe := copyProgram(t, dir)
	return func(cmd *exec.Cmd) {
		const drop = "exec setpriv --reuid=65534 --regid=65534 --clear-groups "
		sh, err := exec.LookPath("sh")
		check(t, err)
		cmd.Path = sh
		cmd.Args = append([]string{"sh", "-ec", script + "\n" + drop + `"$0" "$@"`, exe}, cmd.Args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Env, "TMPDIR="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	}
}

// copyProgram copies this test binary to where nobody may run it.
func copyProgram(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	text, err := os.ReadFile(self)
	check(t, err)
	path := filepath.Join(dir, "vxtap")
	check(t, os.WriteFile(path, text, 0o755))
	return path
}

func makeTUN(t *testing.T, path string, mode uint32) {
	t.Helper()
	check(t, unix.Mknod(path, unix.S_IFCHR, int(unix.Mkdev(10, 200))))
	check(t, os.Chmod(path, os.FileMode(mode))) // whatever the umask is
}

// What stands in the place of /dev/net/tun.
const (
	openTUN   = "mount --bind open /dev/net/tun"
	closedTUN = "mount --bind closed /dev/net/tun"
	noTUN     = "mount -t tmpfs none /dev/net"
)

func TestDemoAsUser(t *testing.T) {
	r := startDemo(t, asNobody(t, openTUN), "--duration", "300ms")
	if code := r.end(); code != exitDone {
		t.Fatal(r.report(code))
	}
	wantProof(t, r.stdout())
	wantEmptied(t, r.cmd.Dir)
}

func TestDemoAsUserInterrupted(t *testing.T) {
	for _, signal := range []syscall.Signal{unix.SIGINT, unix.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			r := startDemo(t, asNobody(t, openTUN), "--duration", "1m")
			r.see(t, "TCP through")
			check(t, r.cmd.Process.Signal(signal))
			code := r.end()
			if signal == unix.SIGINT && (code != exitFailed || !strings.Contains(r.stderr.String(), "ended early")) {
				t.Error(r.report(code))
			}
			eventually(t, "its processes end", func() bool { return len(processesOf(t, filepath.Base(r.cmd.Dir))) == 0 })
			wantEmptied(t, r.cmd.Dir)
		})
	}
}

func TestDemoAsUserKeep(t *testing.T) {
	r := startDemo(t, asNobody(t, openTUN), "--keep", "--duration", "100ms")
	enter := r.see(t, "nsenter --user=")
	show := r.see(t, " show --socket ")
	r.see(t, "for example")
	const drop = "setpriv --reuid=65534 --regid=65534 --clear-groups "
	if links := shell(t, drop+strings.Replace(enter, " sh", " cat /proc/net/dev", 1)); !strings.Contains(links, demoTAP) {
		t.Errorf("%s has the interfaces\n%s", enter, links)
	}
	if node := shell(t, drop+strings.TrimSpace(show)); !strings.Contains(node, "network 42") {
		t.Errorf("%s says\n%s", show, node)
	}
	check(t, r.cmd.Process.Signal(unix.SIGINT))
	if code := r.end(); code != exitDone {
		t.Error(r.report(code))
	}
	wantEmptied(t, r.cmd.Dir)
}

// wantEmptied checks that a directory holds what the test has put there, and no room.
func wantEmptied(t *testing.T, dir string) {
	t.Helper()
	rooms, err := filepath.Glob(filepath.Join(dir, demoPrefix+"*"))
	check(t, err)
	if len(rooms) > 0 {
		t.Errorf("left behind: %q", rooms)
	}
}

// What is missing is said in one line.
func TestDemoSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, script, want string
	}{
		{"closed TUN", closedTUN, "/dev/net/tun is not writable for user 65534: run as root, or let everybody use it with chmod 0666 /dev/net/tun"},
		{"no TUN", noTUN, "there is no /dev/net/tun: load the driver with modprobe tun"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefusal(t, startDemo(t, asNobody(t, c.script)), c.want)
		})
	}
	t.Run("no user namespaces", func(t *testing.T) {
		change := asNobody(t, openTUN+"; echo 0 >/proc/sys/user/max_user_namespaces")
		r := startDemo(t, func(cmd *exec.Cmd) {
			change(cmd)
			// The limit is the user namespace's own, so that the machine's stays.
			cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
			ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: nobody + 1}}
			cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
			cmd.SysProcAttr.GidMappingsEnableSetgroups = true
		})
		wantRefusal(t, r, "user namespaces are disabled (user.max_user_namespaces=0): run as root, or change that with sysctl")
	})
	t.Run("no capabilities", func(t *testing.T) {
		r := startDemo(t, func(cmd *exec.Cmd) {
			setpriv, err := exec.LookPath("setpriv")
			check(t, err)
			cmd.Args = append([]string{"setpriv", "--bounding-set=-net_admin,-net_raw", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = setpriv
		})
		wantRefusal(t, r, "root lacks CAP_NET_ADMIN and CAP_NET_RAW here")
	})
}

func wantRefusal(t *testing.T, r *demoRun, want string) {
	t.Helper()
	code := r.end()
	if code != exitFailed || r.stdout() != "" || strings.Count(r.stderr.String(), "\n") != 1 || !strings.Contains(r.stderr.String(), want) {
		t.Errorf("want %q: %s", want, r.report(code))
	}
}

// A TUN driver that lets itself be opened and then fails: the vxtap's log says how.
func TestDemoWithChildThatCannotStart(t *testing.T) {
	r := startDemo(t, func(cmd *exec.Cmd) {
		exe := cmd.Path
		sh, err := exec.LookPath("sh")
		check(t, err)
		cmd.Path = sh
		cmd.Args = append([]string{"sh", "-ec", `mount --bind /dev/null /dev/net/tun; exec "$0" "$@"`, exe}, cmd.Args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	})
	code := r.end()
	for _, want := range []string{"vxtap on h", "ended (exit status 1)", "  vxtap: "} {
		if code != exitFailed || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("does not say %q: %s", want, r.report(code))
		}
	}
	wantNothingLeft(t, r.room(t))
}
