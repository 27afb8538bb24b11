package dataplane_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleEnv has the test binary be a process of Example_runtime.
const roleEnv = "VXTAP_EXAMPLE_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		playRole(role)
		return
	}
	goleak.VerifyTestMain(m)
}
