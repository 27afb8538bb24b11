package tap_test

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
)

// The Go runtime preempts threads by signals, and a signal that waits makes the kernel's
// verifier give up. A device must not lose its steering to that.
func TestSteeringSurvivesSignals(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, stop, stopped := unix.Gettid(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if err := unix.Tgkill(os.Getpid(), thread, unix.SIGURG); err != nil {
					t.Errorf("signal to thread %d: %v", thread, err)
					return
				}
				runtime.Gosched()
			}
		}
	}()
	for i := range 500 {
		if err := tap.CanSteer(); err != nil {
			t.Errorf("load %d: %v", i, err)
			break
		}
	}
	close(stop)
	<-stopped
}
