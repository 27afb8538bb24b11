//go:build !linux

package dataplane_test

func playRole(string) {}
