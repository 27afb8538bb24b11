package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
)

// Capture implements [api.Capturer]: it says one word at once, and another at the end.
func (b *backend) Capture(what api.Capture) (func(context.Context, io.Writer, func() error) error, error) {
	b.capture = what
	return func(ctx context.Context, out io.Writer, flush func() error) error {
		if _, err := io.WriteString(out, "begun"); err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
		<-ctx.Done()
		_, err := io.WriteString(out, "ended")
		return errors.Join(err, flush())
	}, b.err
}

func TestCaptureIsAStreamUntilStopped(t *testing.T) {
	b := &backend{}
	c := api.NewClient(serve(t, b))
	want := api.Capture{
		VNI: 42, Remote: netip.MustParseAddr("10.9.0.2"), Filter: "tcp", SnapLen: 100,
		Stages: []api.CaptureStage{api.CaptureWire, api.CaptureDropped},
	}
	s, err := c.Capture(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begun := make([]byte, 5)
	if _, err := io.ReadFull(s, begun); err != nil || string(begun) != "begun" {
		t.Fatalf("%q, %v", begun, err)
	}
	if !reflect.DeepEqual(b.capture, want) {
		t.Errorf("asked for %+v, want %+v", b.capture, want)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(s); err != nil || string(rest) != "ended" {
		t.Errorf("after the stop: %q, %v", rest, err)
	}
}

func TestBadCaptures(t *testing.T) {
	h := api.NewHandler(&backend{})
	for body, says := range map[string]string{
		`{"stages": ["wires"]}`: `bad stage "wires": want tap, wire or dropped`,
		`{"vni": 16777216}`:     "bad vni 16777216",
		`{"snaplen": -1}`:       "bad snaplen -1",
		`{"filtre": "tcp"}`:     `unknown field "filtre"`,
		`[]`:                    "want a JSON object",
	} {
		got := httptest.NewRecorder()
		h.ServeHTTP(got, httptest.NewRequest(http.MethodPost, "/v1/capture", strings.NewReader(body)))
		if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), strings.ReplaceAll(says, `"`, `\"`)) {
			t.Errorf("%s: %d %s, want %q", body, got.Code, got.Body, says)
		}
	}
}
