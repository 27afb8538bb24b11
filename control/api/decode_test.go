package api

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"testing"
)

// FuzzFlush holds that a flush that is taken means what it says when it is sent again,
// and that others are the sender's fault.
func FuzzFlush(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		filter, err := decodeFlush(body)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := json.Marshal(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeFlush(again); got != filter || err != nil {
			t.Fatalf("%s is read as %+v, %v; was %+v", again, got, err, filter)
		}
	})
}

// FuzzDeletion holds the same of a deletion.
func FuzzDeletion(f *testing.F) {
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		d, err := parseDeletion(q)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if d.mac.IsZero() && !d.dst.IsValid() {
			t.Fatal("nobody in particular leaves the flood list")
		}
		again := url.Values{"mac": {d.mac.String()}}
		if d.dst.IsValid() {
			again.Set("dst", d.dst.Addr().String())
			again.Set("dst_port", strconv.Itoa(int(d.dst.Port())))
		}
		if got, err := parseDeletion(again); got != d || err != nil {
			t.Fatalf("%v is read as %+v, %v; was %+v", again, got, err, d)
		}
	})
}

// FuzzRotate holds the same of a rotation: one peer that was named is not all of them.
func FuzzRotate(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"vtep":"fe80::1%eth0"}`))
	f.Add([]byte(`{"public_key":"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=","vtep":"::ffff:10.9.0.2"}`))
	f.Add([]byte(`{"public_key":"","vtep":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		which, err := decodeRotate(body)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := json.Marshal(which)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeRotate(again); got != which || err != nil {
			t.Fatalf("%s is read as %+v, %v; was %+v", again, got, err, which)
		}
	})
}
