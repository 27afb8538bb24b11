package api

import "net/http"

func (h handler) keys(http.ResponseWriter, *http.Request) (any, error) {
	k := h.backend.Keys()
	if k.Peers == nil {
		k.Peers = []PeerKeys{} // an empty array, not null
	}
	return k, nil
}

func (h handler) rotateKeys(w http.ResponseWriter, r *http.Request) (any, error) {
	which, err := decodeBody(w, r, decodeRotate)
	if err != nil {
		return nil, err
	}
	n, err := h.backend.RotateKeys(which)
	return KeysRotated{n}, err
}

// decodeRotate reads a KeysRotate. A zone is dropped: VTEPs are known without.
func decodeRotate(body []byte) (which KeysRotate, err error) {
	if err := decode(body, &which); err != nil {
		return KeysRotate{}, err
	}
	which.VTEP = which.VTEP.Unmap().WithZone("")
	return which, nil
}
