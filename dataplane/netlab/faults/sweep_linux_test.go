package faults_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab/faults"
)

func TestMain(m *testing.M) {
	faults.Serve(map[string]func() (faults.Scenario, error){
		"careful":  func() (faults.Scenario, error) { return careful, nil },
		"careless": func() (faults.Scenario, error) { return careless, nil },
	})
	goleak.VerifyTestMain(m)
}

// careful opens two descriptors, one of which it can do without.
func careful() (string, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("opening: %w", err)
	}
	defer unix.Close(fd)
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "without " + os.DevNull, nil
	}
	return "whole", null.Close()
}

// careless forgets what it has opened.
func careless() (string, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(os.DevNull); err != nil { // a call that is not asked for
		return "", err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", errors.New("no good")
	}
	return "whole", errors.Join(null.Close(), unix.Close(fd))
}

// Every call fails in turn, with every errno, and what is left is seen.
func TestSweep(t *testing.T) {
	calls := []int{unix.SYS_EVENTFD2, unix.SYS_OPENAT}
	sweep := func(scenario string) (list []string) {
		outcomes, err := faults.Sweep(t.Context(), scenario, faults.Plausible, calls...)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes[1:] {
			list = append(list, fmt.Sprintf("%v|%s|%s|%s", o, o.Says, o.Err, strings.Join(o.Left, ",")))
		}
		return list
	}
	const left = "descriptor of anon_inode:[eventfd]"
	for scenario, want := range map[string][]string{
		"careful": {
			"eventfd2 = too many open files||opening: too many open files|",
			"openat = too many open files|without /dev/null||",
			"openat = permission denied|without /dev/null||",
		},
		"careless": {
			"eventfd2 = too many open files||too many open files|",
			"openat = too many open files||no good|" + left,
			"openat = permission denied||no good|" + left,
		},
	} {
		if got := sweep(scenario); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", scenario, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
