package underlay_test

import (
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/underlay"
)

var (
	_ dataplane.Underlay = (*underlay.Socket)(nil)
	_ dataplane.Paths    = (*underlay.Paths)(nil)
)
