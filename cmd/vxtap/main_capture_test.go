package main

import (
	"context"
	"io"

	"github.com/vxtap/vxtap/control/api"
)

// Capture implements [api.Capturer]: it answers with what is set, and then waits for the
// end.
func (a *agent) Capture(what api.Capture) (func(context.Context, io.Writer, func() error) error, error) {
	a.asked = append(a.asked, what)
	return func(ctx context.Context, out io.Writer, flush func() error) error {
		if _, err := out.Write(a.capture); err != nil {
			return err
		}
		err := flush()
		<-ctx.Done()
		return err
	}, a.err
}
