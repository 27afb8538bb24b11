package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

func (h handler) network(_ http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	return h.backend.Network(vni)
}

func (h handler) removeNetwork(_ http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	return nil, h.backend.RemoveNetwork(vni)
}

// up makes a network. With a lease, the answer goes on for as long as the caller holds the
// connection, and the network with it: also one who is killed lets go.
func (h handler) up(w http.ResponseWriter, r *http.Request) (any, error) {
	lease, err := parseLease(r.URL.Query())
	if err != nil {
		return nil, err
	}
	words, err := decodeBody(w, r, decodeWords)
	if err != nil {
		return nil, err
	}
	held, err := h.backend.Up(words)
	switch {
	case err != nil:
		return nil, err
	case !lease:
		return held.Network, nil
	}
	return stream(func(l *lines) { l.hold(held) }), nil
}

// hold keeps a network for as long as its caller does.
func (l *lines) hold(held Held) {
	if l.write(held.Network) {
		select {
		case <-l.ctx.Done():
		case <-held.Gone:
			l.write(failure{fmt.Sprintf("network %d was taken down by another command, or as its device is gone", held.Network.VNI)})
			return
		}
	}
	_ = held.Remove() // which the agent logs; there is nobody here to tell
}

func parseLease(q url.Values) (bool, error) {
	for key, values := range q {
		if key != "lease" || len(values) > 1 {
			return false, invalid("unknown or repeated parameter %q: want lease", key)
		}
	}
	if !q.Has("lease") {
		return false, nil
	}
	lease, err := strconv.ParseBool(q.Get("lease"))
	if err != nil {
		return false, invalid("bad lease %q: want true or false", q.Get("lease"))
	}
	return lease, nil
}

func decodeWords(body []byte) (words Words, err error) { return words, decode(body, &words) }

func (h handler) reload(http.ResponseWriter, *http.Request) (any, error) {
	return h.backend.Reload()
}
