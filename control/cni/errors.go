//go:build linux

package cni

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/vxtap/vxtap/control/api"
)

// Error codes of our own; the specification leaves those from 100 on to plugins.
const (
	CodeAgent   uint = 100 // the agent failed at what it was asked
	CodeMissing uint = 101 // something that ADD made is missing, or has changed
)

func problem(code uint, format string, args ...any) *types.Error {
	return types.NewError(code, fmt.Sprintf(format, args...), "")
}

// Coded gives an error the code that a runtime is to see, which is CodeAgent unless the
// error says more.
func Coded(err error) *types.Error {
	var coded *types.Error
	var refused *api.Error
	code := CodeAgent
	switch {
	case errors.As(err, &coded):
		code = coded.Code // perhaps with more said around it
	case errors.Is(err, api.ErrNoAgent):
		code = types.ErrTryAgainLater
	case errors.As(err, &refused):
		code = codeOf(refused.Status)
	}
	return problem(code, "%s", oneLine(err))
}

// codeOf is the code for what the agent refused. All that ADD names and the agent may not
// find is the namespace; that is the container's.
func codeOf(status int) uint {
	switch status {
	case http.StatusBadRequest, http.StatusConflict:
		return types.ErrInvalidNetworkConfig
	case http.StatusNotFound:
		return types.ErrUnknownContainer
	}
	return CodeAgent
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
