package control

import (
	"time"

	"github.com/vxtap/vxtap/control/api"
)

// interfaceMTU is that of the underlay's interface, 0 if it cannot be found out.
func (e *endpoint) interfaceMTU() int {
	mtu, err := e.agent.drivers.UnderlayMTU(e.node.Local)
	if err != nil {
		return 0
	}
	return mtu
}

// narrowPaths lists the paths that are narrower than the underlay's interface.
func (e *endpoint) narrowPaths() []api.Path {
	list := []api.Path{}
	widest := e.underlayState().MTU
	for _, p := range e.vtep.Paths() {
		if widest == 0 || p.MTU < widest {
			list = append(list, api.Path{Remote: p.Remote, MTU: p.MTU, HoldsSeconds: uint32(p.Holds / time.Second)})
		}
	}
	return list
}
