package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Words is what a user says of a network, in the words of vxtap up and of the
// configuration file, each with its values as text. On the wire a value is a string, a
// number, a truth value, or an array of those; a word with one value needs no array.
//
//	{"vni": 42, "remote": ["10.9.0.2", "10.9.0.3"], "closed": true, "address": "192.168.77.1/24"}
type Words map[string][]string

// MarshalJSON implements [json.Marshaler].
func (w Words) MarshalJSON() ([]byte, error) {
	object := make(map[string]any, len(w))
	for name, values := range w {
		object[name] = values
		if len(values) == 1 {
			object[name] = values[0]
		}
	}
	return json.Marshal(object)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (w *Words) UnmarshalJSON(text []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	*w = make(Words, len(object))
	for name, raw := range object {
		values, err := wordValues(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		(*w)[name] = values
	}
	return nil
}

// errWordValue is refused because only plain values have a text.
var errWordValue = errors.New("want a string, a number, true, false, or an array of those")

func wordValues(raw json.RawMessage) ([]string, error) {
	if raw[0] != '[' {
		s, err := wordValue(raw)
		return []string{s}, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	values := make([]string, len(list))
	for i, raw := range list {
		var err error
		if values[i], err = wordValue(raw); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// wordValue returns the text of a value: numbers as they were written.
func wordValue(raw json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	token, err := d.Token()
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	switch v := token.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return fmt.Sprint(v), nil
	}
	return "", errWordValue
}
