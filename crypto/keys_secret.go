package crypto

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Secrets do not show by accident: not in a log line, not in an error, not with %x or %#v,
// not in JSON. One hole is left: fmt asks no methods of a struct's unexported fields, so a
// struct that keeps a secret in one is not to be printed.

const (
	shownPrivateKey = "(private key)"
	shownPSK        = "(pre-shared key)"
)

// errSecret is what becomes of an attempt to put a secret into JSON or the like.
var errSecret = errors.New("a secret is not written unless by its Base64")

// Base64 returns the text of the key, for the one file that holds it.
func (k PrivateKey) Base64() string { return base64.StdEncoding.EncodeToString(k[:]) }

// String does not tell the key.
func (PrivateKey) String() string { return shownPrivateKey }

// GoString does not tell the key.
func (PrivateKey) GoString() string { return shownPrivateKey }

// Format does not tell the key, whatever the verb.
func (PrivateKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, shownPrivateKey) }

// MarshalText refuses.
func (PrivateKey) MarshalText() ([]byte, error) { return nil, errSecret }

// Base64 returns the text of the secret, for the files that hold it.
func (p PSK) Base64() string { return base64.StdEncoding.EncodeToString(p[:]) }

// String does not tell the secret.
func (PSK) String() string { return shownPSK }

// GoString does not tell the secret.
func (PSK) GoString() string { return shownPSK }

// Format does not tell the secret, whatever the verb.
func (PSK) Format(f fmt.State, _ rune) { fmt.Fprint(f, shownPSK) }

// MarshalText refuses.
func (PSK) MarshalText() ([]byte, error) { return nil, errSecret }
