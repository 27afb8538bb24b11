//go:build !linux

package dataplane

func raisePriority() bool { return false }

func lowerPriority() {}
