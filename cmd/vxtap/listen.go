package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/vxtap/vxtap/control/api"
)

// socketGroup may use the agent's socket, where the system has such a group.
const socketGroup = "vxtap"

// listen makes the agent's socket, or takes the one that the service manager made for it
// (sd_listen_fds).
func listen(e *env) (net.Listener, error) {
	if e.getenv("LISTEN_FDS") != "" {
		if ln, err := activated(); ln != nil || err != nil {
			return ln, err
		}
	}
	ln, err := api.Listen(e.socket)
	if err != nil {
		return nil, err
	}
	if err := e.shareSocket(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// activated returns the socket that was handed to this process, nil if none was.
func activated() (net.Listener, error) {
	list, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the service manager's socket: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	ln, isUnix := list[0].(*net.UnixListener)
	if len(list) > 1 || !isUnix {
		for _, ln := range list {
			if ln != nil {
				err = errors.Join(err, ln.Close())
			}
		}
		return nil, errors.Join(fmt.Errorf("the service manager handed over %d sockets: want one, a unix socket", len(list)), err)
	}
	return ln, nil
}

// shareSocket gives the socket to its group, if there is one and we may.
func (e *env) shareSocket() error {
	if e.lookupGroup == nil {
		return nil
	}
	var unknown user.UnknownGroupError
	group, err := e.lookupGroup(socketGroup)
	switch {
	case errors.As(err, &unknown):
		return nil
	case err != nil:
		return nil // no list of groups, as in a bare container
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return nil // a system whose groups are no numbers has no such sockets either
	}
	if err := os.Lchown(e.socket, -1, gid); err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("give socket %s to group %s: %w", e.socket, socketGroup, err)
	}
	return nil
}
