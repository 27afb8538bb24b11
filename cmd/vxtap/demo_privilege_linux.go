package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// tunDevice is what TAPs are made with. Its mode decides who may; what a TAP is then
// attached to takes CAP_NET_ADMIN in that namespace.
const tunDevice = "/dev/net/tun"

// checkTUN says what keeps this user from making TAPs. Each answer names a remedy, for a
// user who has seen neither TUN nor namespaces before.
func checkTUN() error {
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
		return fmt.Errorf("%s is not writable for user %d: run as root, or let everybody use it with chmod 0666 %s",
			tunDevice, os.Getuid(), tunDevice)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s is forbidden even to root: a container needs --device %s", tunDevice, tunDevice)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("there is no %s: load the driver with modprobe tun; a container needs --device %s", tunDevice, tunDevice)
	}
	return fmt.Errorf("try out %s: %w", tunDevice, err)
}

// demoCapabilities is what it takes to make namespaces and what is in them, and to ping.
var demoCapabilities = [...]struct {
	name string
	bit  int
}{
	{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN},
	{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN},
	{"CAP_NET_RAW", unix.CAP_NET_RAW},
}

// mayMakeHosts reports whether this process may make hosts where it is. Root may, or has
// to be told what it lacks; for others there are user namespaces.
func mayMakeHosts() (bool, error) {
	missing, err := missingCapabilities()
	switch {
	case err != nil || len(missing) == 0:
		return err == nil, err
	case os.Geteuid() != 0:
		return false, nil
	}
	// Ubuntu lets anyone make a user namespace, and then takes its powers away.
	if off := userNamespacesOff(); off != "" && inUserNamespace() {
		return false, fmt.Errorf("user namespaces are disabled (%s): run as root", off)
	}
	return false, fmt.Errorf("root lacks %s here: a container needs --cap-add for each, or --privileged",
		strings.Join(missing, " and "))
}

// missingCapabilities returns the names of those that this process does not have in force.
func missingCapabilities() (names []string, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, fmt.Errorf("read this process's capabilities: %w", err)
	}
	for _, c := range demoCapabilities {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			names = append(names, c.name)
		}
	}
	return names, nil
}

// userNamespacesOff returns the setting that keeps ordinary users from user namespaces,
// as "name=value"; "" if there is none.
func userNamespacesOff() string {
	for _, setting := range [...]struct{ name, off string }{
		{"kernel.unprivileged_userns_clone", "0"},             // Debian
		{"user.max_user_namespaces", "0"},                     // Linux
		{"kernel.apparmor_restrict_unprivileged_userns", "1"}, // Ubuntu
	} {
		value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(setting.name, ".", "/"))
		if err == nil && strings.TrimSpace(string(value)) == setting.off {
			return setting.name + "=" + setting.off
		}
	}
	return ""
}
