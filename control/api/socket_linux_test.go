package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A process that was killed is ending from the moment of the signal on, and one that
// lives is not.
func TestIsEnding(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if isEnding(pid) || isEnding(os.Getpid()) || isEnding(0) {
		t.Error("a live process is ending")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !isEnding(pid) {
		t.Error("a killed process is not ending")
	}
	_ = cmd.Wait() // it was killed
	if !isEnding(pid) {
		t.Error("a process that is gone is not ending")
	}
}

// A lock that an agent which ends holds on to is waited for.
func TestListenWaitsForLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	lock, err := lockFile(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockAndListen(path); err == nil {
		t.Fatal("the lock does not hold")
	}
	time.AfterFunc(5*endingPoll, lock.release)
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}
