package api_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// limit is for what is bound to happen.
const limit = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func wait(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-within(t).Done():
		t.Fatalf("never happened: %s", what)
	}
}

func leased() *backend {
	return &backend{network: api.Network{VNI: 42, MTU: 1450}, gone: make(chan struct{}), removed: make(chan encap.VNI, 1)}
}

func TestWords(t *testing.T) {
	b := leased()
	words := api.Words{"vni": {"42"}, "remote": {"10.9.0.2", "10.9.0.3"}, "closed": {"true"}}
	n, err := api.NewClient(serve(t, b)).Up(t.Context(), words)
	if err != nil || n.VNI != 42 || !reflect.DeepEqual(b.words, words) {
		t.Errorf("asked for %v, got %v, %v", b.words, n, err)
	}
	var w api.Words
	err = w.UnmarshalJSON([]byte(`{"vni": 42, "mtu": "auto", "ageing": 1e3, "closed": false, "remote": ["10.9.0.2", 7, true]}`))
	want := api.Words{"vni": {"42"}, "mtu": {"auto"}, "ageing": {"1e3"}, "closed": {"false"}, "remote": {"10.9.0.2", "7", "true"}}
	if err != nil || !reflect.DeepEqual(w, want) {
		t.Errorf("read %v, %v", w, err)
	}
	for _, bad := range []string{`{"a": null}`, `{"a": {}}`, `{"a": [[]]}`, `{"a": [{}]}`, `[]`, `"x"`} {
		if err := w.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// A lease ends with its connection, however that ends.
func TestLeaseEndsWithConnection(t *testing.T) {
	b := leased()
	socket := serve(t, b)
	lease, err := api.NewClient(socket).Lease(t.Context(), api.Words{"vni": {"42"}})
	if err != nil || lease.Network.MTU != 1450 {
		t.Fatalf("got %v, %v", lease, err)
	}
	select {
	case vni := <-b.removed:
		t.Fatalf("network %d was removed while it was held", vni)
	default:
	}
	lease.Close()
	wait(t, "the network is removed", receive(b.removed))

	conn, err := net.Dial("unix", socket) // one that never even reads
	if err != nil {
		t.Fatal(err)
	}
	request := "POST /v1/networks?lease=true HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{\"vni\": 42}"
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	wait(t, "the network is removed", receive(b.removed))
}

func receive(removed <-chan encap.VNI) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		<-removed
		close(done)
	}()
	return done
}

// Its holder is told when somebody else takes the network down.
func TestLeaseGone(t *testing.T) {
	b := leased()
	lease, err := api.NewClient(serve(t, b)).Lease(t.Context(), api.Words{"vni": {"42"}})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	close(b.gone)
	if err := lease.Wait(); err == nil || !strings.Contains(err.Error(), "network 42 was taken down") {
		t.Errorf("told %v", err)
	}
}

func TestEvents(t *testing.T) {
	b := &backend{events: make(chan api.Event, 4), stopped: make(chan struct{})}
	enough := errors.New("enough")
	var got []string
	err := api.NewClient(serve(t, b)).Events(within(t), func() {
		b.events <- api.Event{Kind: api.EventNetworkUp, VNI: 42, Message: "one"}
		b.events <- api.Event{Kind: api.EventReloaded, Message: "two", Missed: 7}
	}, func(e api.Event) error {
		got = append(got, e.Message)
		if e.Missed == 7 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !reflect.DeepEqual(got, []string{"one", "two"}) {
		t.Errorf("got %v, %v", got, err)
	}
	wait(t, "the agent knows that nobody listens", b.stopped)
}

// Streams end with the server, at once.
func TestStreamsEndWithServer(t *testing.T) {
	b := &backend{events: make(chan api.Event), stopped: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	path := t.TempDir() + "/s"
	ln, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, ln, b) }()
	if err := api.NewClient(path).Events(within(t), stop, func(api.Event) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	wait(t, "the stream stops", b.stopped)
}
