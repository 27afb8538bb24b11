package packet_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/packet"
)

// The dataplane's contract, which this package satisfies without importing it.
var _ dataplane.Queue = (*packet.Queue)(nil)

func TestMain(m *testing.M) {
	serveFaults()
	goleak.VerifyTestMain(m)
}
