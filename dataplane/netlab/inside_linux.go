package netlab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Inside runs f on a thread in a network namespace that is no host of a lab, as
// [Host.Do] does for one that is. The namespace is a name that "ip netns" knows, or a
// path.
func Inside(namespace string, f func() error) error {
	path := namespace
	if !strings.Contains(path, "/") {
		path = filepath.Join(runDir, namespace)
	}
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open network namespace %q: %w", namespace, err)
	}
	defer ns.Close()
	return inside(ns, f)
}
