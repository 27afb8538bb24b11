package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// keepUp says how to look around, and waits until the user has seen enough.
func (d *demo) keepUp(ctx context.Context) error {
	d.say("\nAll of it stays up until Ctrl-C, and is removed then. From another terminal, as the same user:\n")
	for _, h := range d.hosts {
		d.say("\n  %s\n", h.Name())
		for _, way := range h.waysIn() {
			d.say("    %s\n", way)
		}
		d.say("    %s show --socket %s\n", os.Args[0], h.socket)
	}
	first, second := d.hosts[0], d.hosts[1]
	d.say("\nOn %s, for example: ping %v\n", first.Name(), second.v4)
	<-ctx.Done()
	if cause := context.Cause(ctx); isAgentDeath(cause) {
		return cause
	}
	d.say("\nRemoving everything.\n")
	return nil
}

// waysIn are the commands that open a shell on the host: with iproute2, and without.
func (h *demoHost) waysIn() []string {
	if filepath.Dir(h.Path()) == namedNamespaces {
		return []string{
			"ip netns exec " + filepath.Base(h.Path()) + " sh",
			"nsenter --net=" + h.Path() + " sh",
		}
	}
	// Only who made a user namespace may enter it, and only with it the network
	// namespaces that belong to it.
	if inUserNamespace() {
		return []string{fmt.Sprintf("nsenter --user=/proc/%d/ns/user --preserve-credentials --net=%s sh", os.Getpid(), h.Path())}
	}
	return []string{"nsenter --net=" + h.Path() + " sh"}
}
