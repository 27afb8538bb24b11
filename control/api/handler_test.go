package api_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
)

func TestRefusals(t *testing.T) {
	const (
		fdb    = "/v1/networks/42/fdb"
		flush  = fdb + "/flush"
		rotate = "/v1/keys/rotate"
		good   = `"op":"add","mac":"02:42:0a:09:00:02","dst":"10.9.0.2"`
	)
	tests := []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/", "", 404, `no such path "/"`},
		{"GET", "/v2/node", "", 404, `no such path "/v2/node"`},
		{"GET", "/v1/networks/42/x", "", 404, "no such path"},
		{"GET", "/v1/networks/0", "", 400, "VNI"},
		{"PUT", "/v1/networks/42", "", 405, "DELETE, GET"},
		{"POST", "/v1/networks", `{"vni": {}}`, 400, "vni: want a string"},
		{"POST", "/v1/networks", `{"vni": 1, "VNI": 2}`, 400, "given twice"},
		{"POST", "/v1/networks?lease=maybe", `{"vni": 1}`, 400, "bad lease"},
		{"POST", "/v1/networks?leese=true", `{"vni": 1}`, 400, "leese"},
		{"POST", "/v1/networks", "[]", 400, "want a JSON object"},
		{"POST", "/v1/networks", `{"tap": "` + strings.Repeat("x", 1<<20) + `"}`, 413, "1048576"},
		{"GET", "/v1/networks/0/ports", "", 400, `bad VNI "0"`},
		{"PUT", "/v1/networks/42/ports", "{}", 405, "GET, POST"},
		{"GET", "/v1/networks/42/ports/eth0", "", 405, "DELETE"},
		{"DELETE", "/v1/networks/0/ports/eth0", "", 400, `bad VNI "0"`},
		{"POST", "/v1/networks/0/ports", "{}", 400, `bad VNI "0"`},
		{"POST", "/v1/networks/42/ports", "null", 400, "want a JSON object"},
		{"POST", "/v1/networks/42/ports", `{"device": "eth0", "ns": "red"}`, 400, `unknown field "ns"`},
		{"POST", "/v1/networks/42/ports", `{"device": "eth0", "Device": "eth1"}`, 400, "given twice"},
		{"POST", "/v1/networks/42/ports", `{"addresses": ["10.0.0.5"]}`, 400, "10.0.0.5"},
		{"POST", "/v1/networks/42/ports", `{"routes": [{"to": "10.0.0.0/8", "dev": "eth0"}]}`, 400, `unknown field "dev"`},
		{"POST", "/v1/networks/42/ports", `{"device": "` + strings.Repeat("x", 1<<20) + `"}`, 413, "1048576"},
		{"GET", "/v1/reload", "", 405, "POST"},
		{"POST", "/v1/node", "{}", 405, "POST is not for /v1/node: want GET"},
		{"PUT", fdb, "{}", 405, "want DELETE, GET, POST"},
		{"GET", flush, "", 405, "want POST"},
		{"GET", "/v1/networks/0/fdb", "", 400, `bad VNI "0"`},
		{"GET", "/v1/networks/16777216/fdb", "", 400, `bad VNI "16777216"`},
		{"GET", "/v1/networks/x/fdb", "", 400, `bad VNI "x"`},
		{"POST", fdb, "", 400, "want a JSON object"},
		{"POST", fdb, "null", 400, "want a JSON object"},
		{"POST", fdb, "[]", 400, "want a JSON object"},
		{"POST", fdb, "{", 400, "bad body"},
		{"POST", fdb, "{" + good + "} {}", 400, "more follows"},
		{"POST", fdb, "{" + good + `,"via":"eth0"}`, 400, `unknown field "via"`},
		{"POST", fdb, `{"op":"add","dst":"10.9.0.2"}`, 400, "mac is missing"},
		{"POST", fdb, `{"op":"add","mac":null,"dst":"10.9.0.2"}`, 400, "mac is missing"},
		{"POST", fdb, `{"op":"add","mac":"02:42","dst":"10.9.0.2"}`, 400, `bad MAC address "02:42"`},
		{"POST", fdb, `{"op":"add","mac":"02:42:0a:09:00:02"}`, 400, "dst is missing"},
		{"POST", fdb, `{"op":"add","mac":"02:42:0a:09:00:02","dst":"10.9.0.256"}`, 400, "10.9.0.256"},
		{"POST", fdb, `{"mac":"02:42:0a:09:00:02","dst":"10.9.0.2"}`, 400, `bad op ""`},
		{"POST", fdb, `{"op":"del","mac":"02:42:0a:09:00:02","dst":"10.9.0.2"}`, 400, `bad op "del"`},
		{"POST", fdb, "{" + good + `,"dst_port":65536}`, 400, "65536"},
		{"POST", fdb, strings.Repeat(" ", 1<<20) + "{" + good + "}", 413, "larger than 1048576 bytes"},
		{"POST", fdb, "{" + good + `,"MAC":"02:42:0a:09:00:03"}`, 400, `"MAC" is given twice`},
		{"POST", fdb, "{" + good + `,"mac":"02:42:0a:09:00:03"}`, 400, `"mac" is given twice`},
		{"POST", flush, `{"class":"static","claſs":"learned"}`, 400, "is given twice"},
		{"POST", flush, "null", 400, "want a JSON object"},
		{"POST", flush, `{"class":"local"}`, 400, `bad class "local"`},
		{"POST", flush, `{"mc":"02:42:0a:09:00:02"}`, 400, `unknown field "mc"`},
		{"POST", "/v1/keys", "{}", 405, "want GET"},
		{"GET", rotate, "", 405, "want POST"},
		{"POST", rotate, "", 400, "want a JSON object"},
		{"POST", rotate, `{"peer":"10.9.0.2"}`, 400, `unknown field "peer"`},
		{"POST", rotate, `{"public_key":"AAAA"}`, 400, "base64 of 3 bytes: want 32"},
		{"POST", rotate, `{"vtep":"10.9.0"}`, 400, "10.9.0"},
		{"POST", rotate, `{"vtep":"10.9.0.2","Vtep":"10.9.0.3"}`, 400, "is given twice"},
		{"DELETE", fdb, "", 400, `bad MAC address ""`},
		{"DELETE", fdb + "?mac=02:42:0a:09:00:02&vlan=1", "", 400, `unknown parameter "vlan"`},
		{"DELETE", fdb + "?mac=02:42:0a:09:00:02&mac=02:42:0a:09:00:03", "", 400, "given 2 times"},
		{"DELETE", fdb + "?mac=02:42:0a:09:00:02&dst=x", "", 400, `bad dst "x"`},
		{"DELETE", fdb + "?mac=02:42:0a:09:00:02&dst=10.9.0.2&dst_port=x", "", 400, `bad dst_port "x"`},
		{"DELETE", fdb + "?mac=02:42:0a:09:00:02&dst_port=1", "", 400, "without dst"},
		{"DELETE", fdb + "?mac=00:00:00:00:00:00", "", 400, "dst is missing"},
	}
	for _, tt := range tests {
		b := &backend{}
		w := httptest.NewRecorder()
		api.NewHandler(b).ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
		name := tt.method + " " + tt.path + " " + tt.body[:min(len(tt.body), 80)]
		var got struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s: body %q: %v", name, w.Body, err)
		}
		if w.Code != tt.status || !strings.Contains(got.Error, tt.says) {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, got.Error, tt.status, tt.says)
		}
		if (w.Code == 405) != (w.Header().Get("Allow") != "") {
			t.Errorf("%s: Allow %q with status %d", name, w.Header().Get("Allow"), w.Code)
		}
		if b.vni != 0 || b.words != nil || b.rotate != (api.KeysRotate{}) || b.port.Device != "" {
			t.Errorf("%s: reached the backend", name)
		}
	}
}

func TestEmptyTableIsAnArray(t *testing.T) {
	w := httptest.NewRecorder()
	api.NewHandler(&backend{}).ServeHTTP(w, httptest.NewRequest("GET", "/v1/networks/42/fdb", nil))
	if w.Body.String() != "[]\n" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %q, %v", w.Body, w.Header())
	}
}

func TestNoPortsIsAnArray(t *testing.T) {
	w := httptest.NewRecorder()
	api.NewHandler(&backend{}).ServeHTTP(w, httptest.NewRequest("GET", "/v1/networks/42/ports", nil))
	if w.Body.String() != "[]\n" {
		t.Errorf("got %q", w.Body)
	}
}

func TestNoPeersIsAnArray(t *testing.T) {
	w := httptest.NewRecorder()
	api.NewHandler(&backend{}).ServeHTTP(w, httptest.NewRequest("GET", "/v1/keys", nil))
	if w.Body.String() != `{"nat":false,"peers":[]}`+"\n" {
		t.Errorf("got %q", w.Body)
	}
}

func TestHeadIsAnswered(t *testing.T) {
	w := httptest.NewRecorder()
	api.NewHandler(&backend{}).ServeHTTP(w, httptest.NewRequest("HEAD", "/v1/node", nil))
	if w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

// FuzzFDBChange holds that whatever body comes, the backend sees only checked changes,
// and that such a change, sent again, arrives as the same.
func FuzzFDBChange(f *testing.F) {
	for _, seed := range []string{
		`{"op":"add","mac":"02:42:0a:09:00:02","dst":"10.9.0.2","dst_port":4789}`,
		`{"op":"append","mac":"00:00:00:00:00:00","dst":"fe80::1%eth0"}`,
		`{"OP":"replace","Mac":"02-42-0A-09-00-02","dst":"::ffff:10.9.0.2"}`,
		`{"op":"add","mac":null,"dst":""}`, `{}`, `null`, ``, `{"op":"add"}{`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	post := func(body string) (int, *backend) {
		b, w := &backend{}, httptest.NewRecorder()
		api.NewHandler(b).ServeHTTP(w, httptest.NewRequest("POST", "/v1/networks/42/fdb", strings.NewReader(body)))
		return w.Code, b
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code, b := post(string(body))
		if code == 400 && b.vni == 0 {
			return
		}
		if code != 204 || !b.change.Dst.IsValid() || b.change.Op == "" {
			t.Fatalf("status %d, change %+v", code, b.change)
		}
		again, err := json.Marshal(b.change)
		if err != nil {
			t.Fatal(err)
		}
		if _, b2 := post(string(again)); b2.change != b.change {
			t.Fatalf("%s arrives as %+v, was %+v", again, b2.change, b.change)
		}
	})
}

// A port for somebody who is gone meanwhile is removed again: it may come after he, or who
// cleaned up after him, had it removed.
func TestPortForNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &backend{adding: cancel}
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/networks/42/ports", strings.NewReader(`{"name": "x", "device": "eth0"}`))
	api.NewHandler(b).ServeHTTP(httptest.NewRecorder(), r)
	if b.port.Device != "eth0" || b.unported != "x" {
		t.Errorf("added %+v and removed %q", b.port, b.unported)
	}
}
