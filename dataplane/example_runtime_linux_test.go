package dataplane_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// A lab runtime in a hundred lines, which takes root: two processes in namespaces of their
// own, each on a VTEP of its own, and an overlay between the two. They meet as if a cable
// joined them. When a process ends, its namespace does, and its port is closed.
func Example_runtime() {
	gone := make(chan dataplane.Event, 2)
	one, at1, err := openVTEP("127.0.0.1", gone)
	if err != nil {
		log.Fatal(err)
	}
	defer one.Close()
	two, at2, err := openVTEP("127.0.0.2", gone)
	if err != nil {
		log.Fatal(err)
	}
	defer two.Close()

	server, err := startContained("serve", one, at2, "10.0.0.1/24")
	if err != nil {
		log.Fatal(err)
	}
	client, err := startContained("call", two, at1, "10.0.0.2/24")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.do())
	fmt.Println(client.do())
	client.end()
	e := <-gone
	fmt.Println(e.Port, "is gone:", errors.Is(e.Err, net.ErrClosed))
	server.end()
	// Output:
	// serves 10.0.0.1:80
	// hello from 10.0.0.1:80
	// call is gone: true
}

// openVTEP opens a VTEP of one worker each way, and returns where it listens.
func openVTEP(local string, events chan<- dataplane.Event) (*dataplane.VTEP, netip.AddrPort, error) {
	at := netip.AddrPortFrom(netip.MustParseAddr(local), 0) // the system chooses a port
	queues, err := underlay.OpenQueues(underlay.Config{Local: at}, 1)
	if err != nil {
		return nil, at, err
	}
	cfg := dataplane.Config{
		Local:     at.Addr(),
		NewPoller: func() (dataplane.Poller, error) { return tap.NewPoller() },
		Events:    func(e dataplane.Event) { events <- e },
	}
	for _, q := range queues {
		cfg.Underlays = append(cfg.Underlays, q)
	}
	vtep, err := dataplane.Open(cfg)
	return vtep, queues[0].Local(), err
}

// contained is a process in a network namespace of its own, which does its work when it is
// told to and ends when nobody can tell it any more.
type contained struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startContained starts one and puts it on a network of its VTEP, as its eth0.
func startContained(role string, vtep *dataplane.VTEP, remote netip.AddrPort, address string) (*contained, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &contained{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), roleEnv+"="+role)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	network, err := vtep.AddNetwork(dataplane.NetworkConfig{VNI: 42, Remotes: []netip.AddrPort{remote}})
	if err != nil {
		return nil, err
	}
	return c, attach(network, role, c.cmd.Process.Pid, netip.MustParsePrefix(address))
}

// attach makes a TAP in the namespace of a process and puts it on a network. The TAP's
// descriptors stay here: there is no veth and no bridge.
func attach(network *dataplane.Network, name string, pid int, address netip.Prefix) error {
	dev, err := tap.Open(tap.Config{
		NetNS:     fmt.Sprintf("/proc/%d/ns/net", pid),
		Name:      "eth0",
		MTU:       encap.OverlayMTU(1500, false, false, 0),
		MAC:       encap.MACFromAddr(address.Addr()),
		Addresses: []netip.Prefix{address},
	})
	if err != nil {
		return err
	}
	port := dataplane.PortConfig{Name: name, MAC: dev.MAC(), MTU: dev.MTU(), Close: dev.Close}
	for _, q := range dev.Queues() {
		port.Queues = append(port.Queues, q)
	}
	if err := network.AddPort(port); err != nil {
		return errors.Join(err, dev.Close())
	}
	return nil
}

// do has the process do its work, and returns the line that it says then.
func (c *contained) do() string {
	fmt.Fprintln(c.in, "go")
	line, err := c.out.ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	return line[:len(line)-1]
}

// end ends the process, and with it its namespace.
func (c *contained) end() {
	c.in.Close()
	_ = c.cmd.Wait()
}

// playRole is the main function of a contained process, which TestMain calls.
func playRole(role string) {
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		log.Fatal(err)
	}
	switch role {
	case "serve":
		ln, err := net.Listen("tcp", "10.0.0.1:80")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("serves", ln.Addr())
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(conn, "hello from %v\n", conn.LocalAddr())
		conn.Close()
	case "call":
		conn, err := net.Dial("tcp", "10.0.0.1:80")
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(os.Stdout, conn)
	}
	_, _ = in.ReadString('\n') // until the end of the input
}
