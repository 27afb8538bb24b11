// Package netlab makes hosts out of network namespaces, with links, bridges and kernel
// VXLAN devices between them: for tests, vxtap demo and vxtap bench. It speaks netlink
// and runs no other program.
//
//	lab, err := netlab.New("demo")
//	defer lab.Close() // removes all of it
//	a, err := lab.Host("a")
//	b, err := lab.Host("b")
//	err = lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{
//		A: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")},
//		B: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")},
//	})
//	rtts, err := a.Ping(ctx, netip.MustParseAddr("10.9.0.2"), 3, 56)
//
// It needs CAP_SYS_ADMIN and CAP_NET_ADMIN: root, or a user namespace. On systems other
// than Linux, New says so and nothing else works.
package netlab
