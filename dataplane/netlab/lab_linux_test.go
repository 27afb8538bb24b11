package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// childEnv makes the test binary do something else, as a child of a test.
const childEnv = "NETLAB_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "namespace":
		ns, err := os.Readlink("/proc/self/ns/net")
		fmt.Println(ns, err)
		<-make(chan struct{}) // until it is killed
	case "unprivileged":
		childDoes(smallLab)
	case "covered":
		childDoes(coveredLab)
	}
}

func childDoes(f func() error) {
	if err := f(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("done")
}

// limit is how long anything may take that is bound to happen.
const limit = time.Minute

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func newLab(t testing.TB) *netlab.Lab {
	t.Helper()
	lab, err := netlab.New("labtest")
	check(t, err)
	t.Cleanup(func() { check(t, lab.Close()) })
	return lab
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func host(t testing.TB, lab *netlab.Lab, name string) *netlab.Host {
	t.Helper()
	h, err := lab.Host(name)
	check(t, err)
	return h
}

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// pair is two hosts with a cable between their eth0.
func pair(t testing.TB, cfg netlab.LinkConfig) (a, b *netlab.Host) {
	t.Helper()
	lab := newLab(t)
	a, b = host(t, lab, "a"), host(t, lab, "b")
	if cfg.A == nil {
		cfg.A, cfg.B = prefixes("10.9.0.1/24", "fd09::1/64"), prefixes("10.9.0.2/24", "fd09::2/64")
	}
	check(t, lab.Link(a, "eth0", b, "eth0", cfg))
	return a, b
}

var (
	addrA  = netip.MustParseAddr("10.9.0.1")
	addrB  = netip.MustParseAddr("10.9.0.2")
	addrB6 = netip.MustParseAddr("fd09::2")
)

// traces is everything of the labs that a host of labs keeps: names of namespaces and
// of interfaces.
func traces(t testing.TB) string {
	t.Helper()
	named, err := filepath.Glob("/run/netns/labtest-*")
	check(t, err)
	links, err := netlink.LinkList()
	check(t, err)
	for _, l := range links {
		named = append(named, l.Attrs().Name)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	check(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "labtest-") {
			named = append(named, line)
		}
	}
	return strings.Join(named, "\n")
}

func TestCloseLeavesNothing(t *testing.T) {
	before := traces(t)
	lab, err := netlab.New("labtest")
	check(t, err)
	a, b, c := host(t, lab, "a"), host(t, lab, "b"), host(t, lab, "c")
	_, err = lab.Segment([]*netlab.Host{a, b, c}, netip.MustParsePrefix("10.9.0.0/24"))
	check(t, err)
	check(t, lab.Link(a, "x0", a, "x1", netlab.LinkConfig{}))
	check(t, a.KernelVXLAN(netlab.VXLANConfig{Name: "vx7", VNI: 7, Local: addrA}))
	ctx := within(t)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=namespace")
	check(t, b.Start(cmd))
	keeper, err := c.Listen("tcp", "127.0.0.1:0") // it holds the namespace
	check(t, err)
	defer keeper.Close()
	if traces(t) == before {
		t.Fatal("the lab left no trace while it was open, so the test sees none")
	}

	check(t, lab.Close())
	if after := traces(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	var exit *exec.ExitError
	err = cmd.Wait()
	if ctx.Err() != nil {
		t.Error("the child outlived its host")
	}
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the child ended with %v", err)
	}
	check(t, lab.Close())
	if _, err := lab.Host("d"); err == nil {
		t.Error("a closed lab took a host")
	}
	if err := b.Start(exec.Command("/proc/self/exe")); err == nil {
		t.Error("a closed host started a child")
	}
	if err := a.Do(func() error { return nil }); err == nil {
		t.Error("a closed host was entered")
	}
}

func TestCloseAfterFailures(t *testing.T) {
	before := traces(t)
	lab, err := netlab.New("labtest")
	check(t, err)
	a, b := host(t, lab, "a"), host(t, lab, "b")
	tooLong := strings.Repeat("x", 16)
	failures := map[string]error{
		"host twice":      second(lab.Host("a")),
		"host with slash": second(lab.Host("a/b")),
		"host without":    second(lab.Host("")),
		"link name":       lab.Link(a, tooLong, b, "eth0", netlab.LinkConfig{}),
		"link feature":    lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{Offloads: map[string]bool{"tx-magic": true}}),
		"link address":    lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{A: prefixes("10.9.0.1/24", "10.9.0.1/24")}),
		"prefix too long": second(lab.Segment([]*netlab.Host{a, b}, netip.MustParsePrefix("10.9.0.0/31"))),
		"VNI":             a.KernelVXLAN(netlab.VXLANConfig{Name: "vx", VNI: 1 << 24}),
		"VXLAN remote":    a.KernelVXLAN(netlab.VXLANConfig{Name: "vx", VNI: 1, Local: addrA, Remotes: []netip.Addr{addrB6}}),
		"no interface":    a.AddAddress("eth9", prefixes("10.9.0.1/24")[0]),
	}
	for what, err := range failures {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	// What failed half-way is gone, so that it can be done again.
	check(t, lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{}))
	check(t, lab.Close())
	if after := traces(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := netlab.New("a/b"); err == nil {
		t.Error("a lab took a prefix with a slash")
	}
}

func second[T any](_ T, err error) error { return err }

func TestLabsDoNotCollide(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := smallLab(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// smallLab makes two hosts and has them talk.
func smallLab() (err error) {
	lab, err := netlab.New("labtest")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	a, err := lab.Host("a")
	if err != nil {
		return err
	}
	b, err := lab.Host("b")
	if err != nil {
		return err
	}
	addrs, err := lab.Segment([]*netlab.Host{a, b}, netip.MustParsePrefix("10.9.0.0/24"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := a.Ping(ctx, addrs[1], 1, 56); err != nil {
		return err
	}
	_, err = os.Stat(a.Path())
	return err
}

// In a user namespace, hosts have no names in /run/netns, and all else works.
func TestUserNamespace(t *testing.T) {
	cmd := exec.CommandContext(within(t), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=unprivileged")
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: ids,
		GidMappings: ids,
		Credential:  &syscall.Credential{NoSetGroups: true}, // 0 there, 65534 here
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "done\n") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// The first "ip netns add" of a machine puts another mount over the directory of names. A lab
// that was there before closes as any other, and leaves nothing.
func TestNamesAreCovered(t *testing.T) {
	cmd := exec.CommandContext(within(t), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=covered")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // and private
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "done\n" {
		t.Errorf("%v:\n%s", err, out)
	}
}

func coveredLab() (err error) {
	if err := unix.Mount("none", "/run", "tmpfs", 0, ""); err != nil {
		return err
	}
	lab, err := netlab.New("labtest")
	if err != nil {
		return err
	}
	h, err := lab.Host("a")
	if err != nil {
		return err
	}
	dir := filepath.Dir(h.Path())
	if err := unix.Mount(dir, dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := lab.Close(); err != nil {
		return err
	}
	left, err := os.ReadDir(dir)
	if len(left) > 0 {
		return fmt.Errorf("%v is left", left)
	}
	return err
}

func TestNamespaces(t *testing.T) {
	lab := newLab(t)
	a := host(t, lab, "a")
	home := netns(t)
	if !strings.HasPrefix(a.Path(), "/run/netns/labtest-") || !strings.HasSuffix(a.Path(), "-a") || a.Name() != "a" {
		t.Errorf("path %s, name %s", a.Path(), a.Name())
	}
	var pinned, thread unix.Stat_t
	check(t, unix.Stat(a.Path(), &pinned))
	check(t, a.Do(func() error { return unix.Stat("/proc/thread-self/ns/net", &thread) }))
	if pinned.Ino != thread.Ino {
		t.Errorf("Do ran in namespace %d, the path is of %d", thread.Ino, pinned.Ino)
	}
	link, err := a.Netlink().LinkByName("lo")
	check(t, err)
	if link.Attrs().RawFlags&unix.IFF_UP == 0 {
		t.Error("lo is down")
	}
	oops := errors.New("oops")
	if err := a.Do(func() error { return oops }); !errors.Is(err, oops) {
		t.Errorf("Do returned %v", err)
	}
	if err := a.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a function that did not return was no error")
	}
	if netns(t) != home {
		t.Error("this process changed its namespace")
	}
}

// netns is the namespace of the first thread, and that of every thread that has not
// strayed.
func netns(t *testing.T) string {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	check(t, err)
	home, err := os.Readlink("/proc/self/ns/net")
	check(t, err)
	var wg sync.WaitGroup
	for range 4 * len(threads) {
		wg.Go(func() {
			if ns, err := os.Readlink("/proc/thread-self/ns/net"); err == nil && ns != home {
				t.Errorf("a thread is in %s, the process in %s", ns, home)
			}
		})
	}
	wg.Wait()
	return home
}

func TestDoInParallel(t *testing.T) {
	lab := newLab(t)
	hosts := []*netlab.Host{host(t, lab, "a"), host(t, lab, "b"), host(t, lab, "c")}
	var wg sync.WaitGroup
	for i := range 60 {
		h := hosts[i%len(hosts)]
		wg.Go(func() {
			var there, pinned unix.Stat_t
			err := h.Do(func() error {
				runtime.Gosched()
				return unix.Stat("/proc/thread-self/ns/net", &there)
			})
			if err := errors.Join(err, unix.Stat(h.Path(), &pinned)); err != nil || there.Ino != pinned.Ino {
				t.Errorf("host %s: in %d, not %d, %v", h.Name(), there.Ino, pinned.Ino, err)
			}
		})
	}
	wg.Wait()
	netns(t)
}

func TestStart(t *testing.T) {
	a := host(t, newLab(t), "a")
	var pinned unix.Stat_t
	check(t, unix.Stat(a.Path(), &pinned))
	for range 2 {
		cmd := exec.CommandContext(within(t), "/proc/self/exe")
		cmd.Env = append(os.Environ(), childEnv+"=namespace")
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, a.Start(cmd))
		line := make([]byte, 200)
		n, err := out.Read(line)
		check(t, err)
		if want := fmt.Sprintf("net:[%d] <nil>\n", pinned.Ino); string(line[:n]) != want {
			t.Errorf("the child says %q, want %q", line[:n], want)
		}
		check(t, cmd.Process.Kill())
		if err := cmd.Wait(); err == nil {
			t.Error("the child ended by itself")
		}
	}
	if err := a.Start(exec.Command("/nonexistent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start of nothing: %v", err)
	}
}
