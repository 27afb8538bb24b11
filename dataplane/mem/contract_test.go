package mem_test

import (
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
)

// The contracts that this package is for.
var (
	_ dataplane.Queue    = (*mem.Port)(nil)
	_ dataplane.Poller   = (*mem.Poller)(nil)
	_ dataplane.Underlay = (*mem.Underlay)(nil)
	_ dataplane.Paths    = (*mem.Paths)(nil)
)
