package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

const contentType = "application/vnd.docker.plugins.v1.2+json"

// Handler returns the plugin that an engine talks to.
func (d *Driver) Handler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string]http.Handler{
		"Plugin.Activate":                           answer(d, func(nothing) (activation, error) { return activation{[]string{"NetworkDriver", "IpamDriver"}}, nil }),
		"NetworkDriver.GetCapabilities":             answer(d, d.capabilities),
		"NetworkDriver.AllocateNetwork":             answer(d, d.allocateNetwork),
		"NetworkDriver.FreeNetwork":                 answer(d, func(networkID) (nothing, error) { return nothing{}, nil }),
		"NetworkDriver.CreateNetwork":               answer(d, d.createNetwork),
		"NetworkDriver.DeleteNetwork":               answer(d, d.deleteNetwork),
		"NetworkDriver.CreateEndpoint":              answer(d, d.createEndpoint),
		"NetworkDriver.DeleteEndpoint":              answer(d, d.deleteEndpoint),
		"NetworkDriver.EndpointOperInfo":            answer(d, d.operInfo),
		"NetworkDriver.Join":                        answer(d, d.join),
		"NetworkDriver.Leave":                       answer(d, d.leave),
		"NetworkDriver.DiscoverNew":                 answer(d, d.discoverNew),
		"NetworkDriver.DiscoverDelete":              answer(d, d.discoverDelete),
		"NetworkDriver.ProgramExternalConnectivity": answer(d, func(endpointID) (nothing, error) { return nothing{}, nil }),
		"NetworkDriver.RevokeExternalConnectivity":  answer(d, func(endpointID) (nothing, error) { return nothing{}, nil }),
		"IpamDriver.GetCapabilities":                answer(d, func(nothing) (ipamCapabilities, error) { return ipamCapabilities{}, nil }),
		"IpamDriver.GetDefaultAddressSpaces":        answer(d, func(nothing) (addressSpaces, error) { return addressSpaces{"vxtap-local", "vxtap-global"}, nil }),
		"IpamDriver.RequestPool":                    answer(d, d.requestPool),
		"IpamDriver.ReleasePool":                    answer(d, d.releasePool),
		"IpamDriver.RequestAddress":                 answer(d, d.requestAddress),
		"IpamDriver.ReleaseAddress":                 answer(d, d.releaseAddress),
	}
	for name, h := range methods {
		mux.Handle("POST /"+name, h)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Errorf("no such method %q", strings.TrimPrefix(r.URL.Path, "/")))
	})
	return mux
}

// answer makes a method of the protocol from a function.
func answer[Q, A any](d *Driver, method func(Q) (A, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request Q
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil && len(body) > 0 { // some have none
			err = json.Unmarshal(body, &request)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("bad request: %w", err))
			return
		}
		reply, err := method(request)
		if err != nil {
			d.log.Warn("an engine's request was refused", zap.String("method", strings.TrimPrefix(r.URL.Path, "/")), zap.Error(err))
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		write(w, http.StatusOK, reply)
	})
}

// failure is how an engine wants to be told of errors.
type failure struct{ Err string }

func refuse(w http.ResponseWriter, status int, err error) {
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		status = http.StatusRequestEntityTooLarge
	}
	write(w, status, failure{strings.Join(strings.Fields(err.Error()), " ")})
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no type of this package does that
		http.Error(w, `{"Err": "cannot encode the answer"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an engine that went away has nobody to tell
}
