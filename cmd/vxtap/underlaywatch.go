package main

import (
	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/dataplane/underlay"
)

// underlayWatch is the driver's as the agent knows it.
type underlayWatch struct{ *underlay.Watch }

// State implements control.UnderlayWatch.
func (w underlayWatch) State() control.UnderlayState {
	return control.UnderlayState(w.Watch.State())
}

// Next implements control.UnderlayWatch.
func (w underlayWatch) Next() (control.UnderlayChange, error) {
	c, err := w.Watch.Next()
	to := control.UnderlayChange{State: control.UnderlayState(c.State), Routes: c.Routes}
	for _, l := range c.Links {
		to.Links = append(to.Links, control.UnderlayLink(l))
	}
	return to, err
}
