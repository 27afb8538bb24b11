package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vxtap/vxtap/encap"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// readBody reads a request's body, up to its limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("body is larger than %d bytes", tooBig.Limit)}
	}
	if err != nil {
		return nil, invalid("read body: %v", err)
	}
	return body, nil
}

// decode accepts exactly one JSON object with known fields. JSON's null would pass for
// an object without fields, which to a flush means everything.
func decode(body []byte, v any) error {
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' {
		return invalid("bad body: want a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return invalid("bad body: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("bad body: more follows the JSON object")
	}
	return checkKeys(body)
}

// checkKeys refuses a JSON object, known to be one, that has a key twice. To encoding/json, "mac" and "MAC"
// are the same, and the last one wins: which was meant is anyone's guess.
func checkKeys(object []byte) error {
	d := json.NewDecoder(bytes.NewReader(object))
	_, err := d.Token() // the bracket
	var seen []string
	for err == nil && d.More() {
		token, _ := d.Token()
		key, _ := token.(string)
		if slices.ContainsFunc(seen, func(s string) bool { return strings.EqualFold(s, key) }) {
			return invalid("bad body: %q is given twice", key)
		}
		seen = append(seen, key)
		var value json.RawMessage
		err = d.Decode(&value)
	}
	if err != nil {
		return invalid("bad body: %v", err)
	}
	return nil
}

// decodeBody reads the body of a request with the decoder of its kind.
func decodeBody[T any](w http.ResponseWriter, r *http.Request, decode func([]byte) (T, error)) (v T, err error) {
	body, err := readBody(w, r)
	if err != nil {
		return v, err
	}
	return decode(body)
}

// decodeChange reads an FDBChange. A MAC that was left out is not the zero MAC, which
// is the flood list.
func decodeChange(body []byte) (FDBChange, error) {
	var c struct {
		FDBChange
		MAC *encap.MAC `json:"mac"` // shadows the embedded one
	}
	if err := decode(body, &c); err != nil {
		return FDBChange{}, err
	}
	if c.MAC == nil {
		return FDBChange{}, invalid("mac is missing (the flood list is %v)", encap.MAC{})
	}
	c.FDBChange.MAC = *c.MAC
	return c.FDBChange, c.check()
}

func (c *FDBChange) check() error {
	switch {
	case c.Op != OpAdd && c.Op != OpAppend && c.Op != OpReplace:
		return invalid("bad op %q: want add, append or replace", c.Op)
	case !c.Dst.IsValid():
		return invalid("dst is missing: want the address of a VTEP")
	}
	return nil
}

func decodeFlush(body []byte) (f FDBFlush, err error) {
	if err := decode(body, &f); err != nil {
		return FDBFlush{}, err
	}
	switch f.Class {
	case "", ClassLearned, ClassStatic:
		return f, nil
	}
	return FDBFlush{}, invalid("bad class %q: only learned and static entries can be flushed", f.Class)
}

// deletion is what the query of a DELETE names.
type deletion struct {
	mac encap.MAC
	dst netip.AddrPort // invalid if none was given
}

func parseDeletion(q url.Values) (d deletion, err error) {
	for key, values := range q {
		switch {
		case key != "mac" && key != "dst" && key != "dst_port":
			return d, invalid("unknown parameter %q: want mac, dst and dst_port", key)
		case len(values) > 1:
			return d, invalid("parameter %q is given %d times", key, len(values))
		}
	}
	if d.mac, err = encap.ParseMAC(q.Get("mac")); err != nil {
		return d, invalid("%v", err)
	}
	if d.dst, err = parseDst(q.Get("dst"), q.Get("dst_port")); err != nil {
		return d, err
	}
	if d.mac.IsZero() && !d.dst.IsValid() {
		return d, invalid("dst is missing: it says which VTEP leaves the flood list")
	}
	return d, nil
}

func parseDst(dst, port string) (netip.AddrPort, error) {
	if dst == "" {
		if port != "" {
			return netip.AddrPort{}, invalid("dst_port %q without dst", port)
		}
		return netip.AddrPort{}, nil
	}
	addr, err := netip.ParseAddr(dst)
	if err != nil {
		return netip.AddrPort{}, invalid("bad dst %q: want an IP address", dst)
	}
	if port == "" {
		return netip.AddrPortFrom(addr, 0), nil
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, invalid("bad dst_port %q: want a number from 0 to 65535", port)
	}
	return netip.AddrPortFrom(addr, uint16(p)), nil
}

func invalid(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}
