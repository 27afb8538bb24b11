package dataplane

import "github.com/vxtap/vxtap/encap"

// clamp lowers the MSS of a SYN on its way out to what fits all paths that it takes.
func (w *outWorker) clamp(out *outgoing, narrow uint32) {
	f := out.frame
	if n := out.network; n.cfg.MSSClamp && encap.IsSYN(f.Data, out.layers) {
		encap.ClampMSS(f.Data, out.layers, n.mss(out.layers, narrow), f.Offload.NeedsCSUM)
	}
}

// clamp lowers that of the SYN at hand on its way in to what fits the way back.
func (w *inWorker) clamp(a *arrival) {
	n, data := a.network, w.inner.Data
	if !n.cfg.MSSClamp || !encap.IsSYN(data, &w.layers) {
		return
	}
	var narrow uint32
	if d, _ := n.table.Lookup(encap.Ethernet(data).Src()); d != nil {
		w.back[0] = d
		narrow = narrowest(w.back[:])
	}
	partial := (a.key == nil || a.partial) && encap.VerifyChecksum(data, &w.layers) == encap.ChecksumPartial
	encap.ClampMSS(data, &w.layers, n.mss(&w.layers, narrow), partial)
}

// mss returns the segment size that fits a path, or the underlay's interface where it is
// not known to be narrower.
func (n *Network) mss(l *encap.Layers, narrow uint32) uint16 {
	mtu := n.vtep.interfaceMTU()
	if narrow != 0 {
		mtu = min(mtu, int(max(narrow, n.carried(l))))
	}
	mss := encap.MSSFor(l, n.overlayMTU(mtu, int(l.Tags)))
	return uint16(min(max(mss, 1), 0xffff))
}
