package main

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
)

func newShowCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the agent's node, networks and ports, and the offloads in force",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			node, err := api.NewClient(e.socket).Node(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.stdout, node)
			}
			_, err = io.WriteString(e.stdout, describeNode(&node, e.now()))
			return err
		},
	}
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// describeNode returns a line for the node, a block for its underlay, and a block for
// each network.
func describeNode(n *api.Node, now time.Time) string {
	var b strings.Builder
	local := n.Local.String()
	if n.Second != nil {
		local += " and " + n.Second.Local.String()
	}
	fmt.Fprintf(&b, "node %s port %d, version %s, up %v\n", local, n.Port, n.Version, now.Sub(n.Started).Truncate(time.Second))
	describeUnderlay(&b, "underlay", &n.Underlay)
	if n.Second != nil {
		describeUnderlay(&b, fmt.Sprintf("underlay of %v", n.Second.Local), &n.Second.Underlay)
	}
	for i := range n.Networks {
		b.WriteByte('\n')
		describeNetwork(&b, &n.Networks[i], n.Port)
	}
	if len(n.Networks) == 0 {
		b.WriteString("\nno networks\n")
	}
	return b.String()
}

func describeUnderlay(b *strings.Builder, what string, u *api.UnderlayInfo) {
	fmt.Fprintf(b, "%s %s, queues %d, receive buffer %s\n", what, u.Driver, u.Queues, receiveBuffer(u))
	describeInterface(b, u)
	describeOffloads(b, u.Offloads)
	if refused := u.TrainsRefused; refused > 0 {
		fmt.Fprintf(b, "  trains are refused by the routes to %d remotes, whose datagrams are sent one by one\n", refused)
	}
	describePaths(b, u.Paths)
}

// describeInterface says by which interface the tunnel goes, and what is wrong with it.
func describeInterface(b *strings.Builder, u *api.UnderlayInfo) {
	if u.Interface != "" {
		fmt.Fprintf(b, "  interface %s mtu %d\n", u.Interface, u.MTU)
	}
	if u.Trouble != "" {
		fmt.Fprintf(b, "  not usable: %s\n", u.Trouble)
	}
}

func describePaths(b *strings.Builder, list []api.Path) {
	t := table{indent: "  "}
	for _, p := range list {
		t.add("path", p.Remote.String(), fmt.Sprintf("mtu %d", p.MTU), fmt.Sprintf("for %v", time.Duration(p.HoldsSeconds)*time.Second))
	}
	t.writeTo(b)
}

func receiveBuffer(u *api.UnderlayInfo) string {
	if u.ReceiveBuffer >= u.ReceiveBufferWanted {
		return fmt.Sprintf("%d bytes", u.ReceiveBuffer)
	}
	return fmt.Sprintf("%d bytes of %d wanted", u.ReceiveBuffer, u.ReceiveBufferWanted)
}

func describeOffloads(b *strings.Builder, list []api.Offload) {
	t := table{indent: "  "}
	for _, o := range list {
		if o.InForce {
			t.add("offload", o.Name, "on")
		} else {
			t.add("offload", o.Name, "off", o.Why)
		}
	}
	t.writeTo(b)
}

func describeNetwork(b *strings.Builder, n *api.Network, port uint16) {
	fmt.Fprintf(b, "network %v mtu %d ttl %d tos %v", n.VNI, n.MTU, n.TTL, n.TOS)
	if n.ReservedBits != 0 {
		fmt.Fprintf(b, " reserved-bits %v", n.ReservedBits)
	}
	if n.Sealed {
		fmt.Fprintf(b, " sealed %s", n.Cipher)
	}
	if n.Closed {
		b.WriteString(" closed")
	}
	if n.MSSClamp {
		b.WriteString(" mss-clamp")
	}
	fmt.Fprintf(b, "\n  macs %s, %d static\n", learning(n), n.Static)
	fmt.Fprintf(b, "  remotes %s\n", orNone(addressList(n.Remotes, port)))
	if n.Group.IsValid() {
		fmt.Fprintf(b, "  group %v dev %s\n", n.Group, n.GroupDevice)
	}
	if len(n.NoChecksum) > 0 {
		fmt.Fprintf(b, "  udpcsum off to %s, so datagrams are sent one by one\n", strings.Join(n.NoChecksum, " "))
	}
	if len(n.Ports) == 0 {
		b.WriteString("  no ports\n")
		return
	}
	describePorts(b, n.Ports)
}

func learning(n *api.Network) string {
	age := fmt.Sprintf("kept %ds", n.AgeingSeconds)
	if n.AgeingSeconds == 0 {
		age = "kept for ever"
	}
	if !n.Learning {
		return fmt.Sprintf("%d learned, none from remotes", n.Learned)
	}
	return fmt.Sprintf("%d learned of at most %d, %s", n.Learned, n.MaxMACs, age)
}

// addressList returns VTEPs without the port that they all have.
func addressList(list []netip.AddrPort, port uint16) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
		if a.Port() == port || a.Port() == 0 {
			words[i] = a.Addr().String()
		}
	}
	return strings.Join(words, " ")
}

func describePorts(b *strings.Builder, ports []api.Port) {
	t := table{indent: "  "}
	t.add("port", "device", "mac", "mtu", "netns", "driver", "addresses", "offloads")
	off := table{indent: "  "}
	var notes []string
	for _, p := range ports {
		notes = append(notes, p.Notes...)
		var on []string
		for _, o := range p.Offloads {
			if o.InForce {
				on = append(on, o.Name)
				continue
			}
			off.add("offload", p.Name, o.Name, "off", o.Why)
		}
		mac := ""
		if !p.MAC.IsZero() {
			mac = p.MAC.String()
		}
		t.add(p.Name, string(p.Kind)+" "+p.Device, orNone(mac), strconv.Itoa(p.MTU), orNone(p.NetNS), p.Driver,
			orNone(prefixList(&p)), orNone(strings.Join(on, " ")))
	}
	t.writeTo(b)
	off.writeTo(b)
	for _, note := range notes {
		fmt.Fprintf(b, "  note: %s\n", note)
	}
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
