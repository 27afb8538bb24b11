package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// socketMode lets the owner and the group of the agent use the API.
const socketMode = 0o660

// probeTimeout bounds the wait for an answer to whether a socket is alive.
const probeTimeout = 2 * time.Second

// An agent that was killed holds its lock until the kernel has taken down what it had, its
// devices too. That is waited for, so that it can be restarted at once.
const (
	endingTimeout = time.Second
	endingPoll    = 10 * time.Millisecond
)

// InUseError says that the path of a socket is taken by a live agent.
type InUseError struct {
	Path string
	PID  int // 0 if unknown

	passing bool // it is ending, or has only started
}

// Error names the path and the process, and what to do.
func (e *InUseError) Error() string {
	return fmt.Sprintf("an agent already answers on %s%s: use --socket for a second one or stop it first", e.Path, inParentheses(e.PID))
}

// inParentheses names a process behind something else, unless it is unknown.
func inParentheses(pid int) string {
	if pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// Listen makes the agent's socket at path, and its directory if there is none. The
// socket of an agent that died is replaced; that of a live one gives an [*InUseError];
// what is no socket stays. Closing the listener removes the socket.
//
// An agent holds a lock on path with ".lock" appended as long as it listens, so that of
// two that start at once, neither removes the other's socket as a leftover. The kernel
// drops the lock of an agent that was killed, for which Listen waits a moment.
func Listen(path string) (net.Listener, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(endingTimeout); ; time.Sleep(endingPoll) {
		dir, err := makeDirectory(path)
		if err != nil {
			return nil, err
		}
		ln, err := lockAndListen(path)
		var use *InUseError
		switch {
		case err == nil:
			ln.dir = dir
			return ln, nil
		case errors.Is(err, fs.ErrNotExist) && time.Now().Before(deadline): // its maker has just taken it away
		case !errors.As(err, &use) || !use.passing || time.Now().After(deadline):
			return nil, err
		}
	}
}

// makeDirectory makes the directory of a socket, and returns its name if there was none.
func makeDirectory(path string) (made string, err error) {
	dir := filepath.Dir(path)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		made = dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the directory of socket %s: %w", path, err)
	}
	return made, nil
}

func lockAndListen(path string) (*listener, error) {
	lock, err := lockFile(path + ".lock")
	if errors.Is(err, errLocked) {
		pid, err := probe(path)
		return nil, &InUseError{path, pid, isDead(err) || isEnding(pid)}
	}
	if err != nil {
		return nil, fmt.Errorf("lock socket %s: %w", path, err)
	}
	ln, err := listen(path)
	if err != nil {
		lock.release()
		return nil, err
	}
	ln.lock = lock
	return ln, nil
}

// listen is Listen under the lock.
func listen(path string) (*listener, error) {
	if err := removeLeftover(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: restrict}
	ln, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on socket %s: %w", path, err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(path, socketMode); err != nil {
		ln.Close()
		return nil, fmt.Errorf("set the mode of socket %s: %w", path, err)
	}
	made, err := os.Lstat(path)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("look at socket %s: %w", path, err)
	}
	return &listener{Listener: ln, path: path, made: made}, nil
}

// removeLeftover removes the socket of an agent that is gone.
func removeLeftover(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is no socket: remove it, or choose another path with --socket", path)
	}
	switch pid, err := probe(path); {
	case err == nil:
		return &InUseError{path, pid, isEnding(pid)}
	case !isDead(err):
		return fmt.Errorf("find out whether an agent answers on %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket that a dead agent left: %w", err)
	}
	return nil
}

// isDead reports whether a probe failed because nobody listens.
func isDead(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// probe connects to a socket. It returns the process that listens, or why it cannot.
func probe(path string) (pid int, err error) {
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return peerPID(conn.(*net.UnixConn)), nil
}

// checkPath refuses what the kernel would with "invalid argument", and what Go would
// take for a name in the abstract namespace.
func checkPath(path string) error {
	longest := len(syscall.RawSockaddrUnix{}.Path) - 1 // and a zero byte
	switch {
	case path == "":
		return errors.New("the path of the socket is empty: name it with --socket")
	case path[0] == '@':
		return fmt.Errorf("socket %s: want the path of a file", path)
	case len(path) > longest:
		return fmt.Errorf("the path of socket %s has %d bytes: at most %d fit", path, len(path), longest)
	}
	return nil
}

// listener is a unix socket whose file goes when it is closed.
type listener struct {
	net.Listener
	path string
	dir  string      // the directory that it made, if there was none
	made fs.FileInfo // the file that it made
	lock *pathLock

	once sync.Once
	err  error
}

// Close stops listening and removes the socket, unless another has taken its place.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.err = l.Listener.Close()
		if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.made) {
			l.err = errors.Join(l.err, os.Remove(l.path))
		}
		l.lock.release()
		if l.dir != "" {
			_ = os.Remove(l.dir) // unless somebody else uses it by now
		}
	})
	return l.err
}
