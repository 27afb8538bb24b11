package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

func newReloadCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the agent read its configuration file again, and carry out the difference",
		Long: `Have the agent of vxtap run read its configuration file again. Networks that are
described as before go on without losing a frame, those of which only remote and fdb differ
are changed while frames flow, others are taken down and made again. A file with a mistake
changes nothing, and is said with its line and column.

Exits with 1 unless all of the file is in force.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := api.NewClient(e.socket).Reload(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(e.stdout, r)
			} else {
				_, err = fmt.Fprintln(e.stdout, describeReload(&r))
			}
			if err != nil {
				return err
			}
			return reloadProblem(&r)
		},
	}
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// describeReload says in one line what became of the networks.
func describeReload(r *api.Reloaded) string {
	var parts []string
	for _, part := range []struct {
		what string
		list []encap.VNI
	}{{"added", r.Added}, {"removed", r.Removed}, {"changed", r.Changed}, {"made again", r.Remade}} {
		if len(part.list) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", part.what, strings.Trim(fmt.Sprint(part.list), "[]")))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("unchanged: %d networks", r.Unchanged)), ", ")
}

// reloadProblem says what of the file is not in force, nil if all is.
func reloadProblem(r *api.Reloaded) error {
	switch {
	case len(r.Failed) > 0:
		return fmt.Errorf("not all of the file is in force: %s", strings.Join(r.Failed, "; "))
	case len(r.Kept) > 0:
		return fmt.Errorf("%s cannot change while the agent runs, and the old stays: restart it", strings.Join(r.Kept, ", "))
	}
	return nil
}
