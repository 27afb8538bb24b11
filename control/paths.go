package control

import (
	"time"

	"github.com/vxtap/vxtap/control/api"
)

// interfaceMTU is that of the underlay's interface, 0 if it cannot be found out.
func (a *Agent) interfaceMTU() int {
	mtu, err := a.drivers.UnderlayMTU(a.node.Local)
	if err != nil {
		return 0
	}
	return mtu
}

// narrowPaths lists the paths that are narrower than the underlay's interface.
func (a *Agent) narrowPaths() []api.Path {
	list := []api.Path{}
	widest := a.underlayState().MTU
	for _, p := range a.vtep.Paths() {
		if widest == 0 || p.MTU < widest {
			list = append(list, api.Path{Remote: p.Remote, MTU: p.MTU, HoldsSeconds: uint32(p.Holds / time.Second)})
		}
	}
	return list
}
