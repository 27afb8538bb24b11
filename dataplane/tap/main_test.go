package tap_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/tap"
)

// The dataplane's contracts, which this package satisfies without importing them.
var (
	_ dataplane.Queue  = (*tap.Queue)(nil)
	_ dataplane.Poller = (*tap.Poller)(nil)
	_ dataplane.Poller = (*tap.WakePoller)(nil)
)

func TestMain(m *testing.M) {
	serveFaults()
	goleak.VerifyTestMain(m)
}
