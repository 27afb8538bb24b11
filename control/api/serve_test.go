package api_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
)

// slow is a backend that is asked for its node and takes its time.
type slow struct {
	backend
	asked, answer chan struct{}
}

func (s *slow) Node() api.Node {
	close(s.asked)
	<-s.answer
	return api.Node{Version: "slow"}
}

func TestServeFinishesWhatIsUnderWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln := listen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &slow{asked: make(chan struct{}), answer: make(chan struct{})}
	served, answered := make(chan error, 1), make(chan error, 1)
	go func() { served <- api.Serve(ctx, ln, b) }()
	go func() {
		_, err := api.NewClient(path).Node(context.Background())
		answered <- err
	}()
	<-b.asked
	cancel()
	close(b.answer)
	for what, c := range map[string]chan error{"the request": answered, "Serve": served} {
		select {
		case err := <-c:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s does not end", what)
		}
	}
}

// A client that connected and says nothing does not hold the agent.
func TestServeEndsDespiteMuteClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln := listen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, ln, &backend{}) }()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := api.NewClient(path).Node(t.Context()); err != nil { // so the one before is accepted
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Serve does not end")
	}
}

func TestServeSaysThatItsListenerFailed(t *testing.T) {
	ln := listen(t, filepath.Join(t.TempDir(), "vxtap.sock"))
	ln.Close()
	err := api.Serve(t.Context(), ln, &backend{})
	if err == nil || !strings.Contains(err.Error(), "serve the API on") {
		t.Errorf("got %v", err)
	}
}
