package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/vxtap/vxtap/encap"
)

// NewHandler returns the API of the package's description over b.
func NewHandler(b Backend) http.Handler {
	h := handler{b}
	mux := http.NewServeMux()
	mux.Handle("/v1/node", methods{"GET": h.node})
	mux.Handle("/v1/stats", methods{"GET": h.stats})
	mux.Handle("/v1/networks", methods{"POST": h.up})
	mux.Handle("/v1/networks/{vni}", methods{"GET": h.network, "DELETE": h.removeNetwork})
	mux.Handle("/v1/networks/{vni}/ports", methods{"GET": h.ports, "POST": h.addPort})
	mux.Handle("/v1/networks/{vni}/ports/{port}", methods{"DELETE": h.removePort})
	mux.Handle("/v1/networks/{vni}/fdb", methods{
		"GET":    h.fdb,
		"POST":   h.changeFDB,
		"DELETE": h.deleteFDB,
	})
	mux.Handle("/v1/networks/{vni}/fdb/flush", methods{"POST": h.flushFDB})
	mux.Handle("/v1/capture", methods{"POST": h.capture})
	mux.Handle("/v1/keys", methods{"GET": h.keys})
	mux.Handle("/v1/keys/rotate", methods{"POST": h.rotateKeys})
	mux.Handle("/v1/reload", methods{"POST": h.reload})
	mux.Handle("/v1/events", methods{"GET": h.events})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &Error{Status: http.StatusNotFound, Message: fmt.Sprintf("no such path %q", r.URL.Path)})
	})
	return mux
}

// action handles one request. It returns what to answer, nil for nothing.
type action func(w http.ResponseWriter, r *http.Request) (any, error)

// methods are the actions of one path, by HTTP method.
type methods map[string]action

// ServeHTTP runs the action of the request's method and writes its answer.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	act := m[method]
	if act == nil {
		allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allow)
		refuse(w, &Error{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("%s is not for %s: want %s", r.Method, r.URL.Path, allow)})
		return
	}
	answer, err := act(w, r)
	switch {
	case err != nil:
		refuse(w, err)
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	case answer == any(written{}):
	case isStream(answer):
		answer.(stream)(newLines(w, r))
	default:
		write(w, http.StatusOK, answer)
	}
}

// failure is the body of every answer that is not a success.
type failure struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, err error) {
	line := strings.Join(strings.Fields(err.Error()), " ")
	write(w, statusOf(err), failure{line})
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no type of this package does that
		http.Error(w, `{"error": "cannot encode the answer"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that went away has nobody to tell
}

// handler turns requests into calls of the backend.
type handler struct{ backend Backend }

func (h handler) node(http.ResponseWriter, *http.Request) (any, error) {
	return h.backend.Node(), nil
}

func (h handler) stats(http.ResponseWriter, *http.Request) (any, error) {
	return h.backend.Stats(), nil
}

func (h handler) fdb(_ http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	list, err := h.backend.FDB(vni)
	if list == nil {
		list = []FDBEntry{} // an empty array, not null
	}
	return list, err
}

func (h handler) changeFDB(w http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	change, err := decodeBody(w, r, decodeChange)
	if err != nil {
		return nil, err
	}
	return nil, h.backend.ChangeFDB(vni, change)
}

func (h handler) deleteFDB(_ http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	d, err := parseDeletion(r.URL.Query())
	if err != nil {
		return nil, err
	}
	return nil, h.backend.DeleteFDB(vni, d.mac, d.dst)
}

func (h handler) flushFDB(w http.ResponseWriter, r *http.Request) (any, error) {
	vni, err := pathVNI(r)
	if err != nil {
		return nil, err
	}
	filter, err := decodeBody(w, r, decodeFlush)
	if err != nil {
		return nil, err
	}
	n, err := h.backend.FlushFDB(vni, filter)
	return FDBFlushed{n}, err
}

func pathVNI(r *http.Request) (encap.VNI, error) {
	vni, err := encap.ParseVNI(r.PathValue("vni"))
	if err != nil {
		return 0, invalid("%v", err)
	}
	return vni, nil
}
