// Package keys holds the keys of a node whose peers were configured by hand: it reads and
// makes the files that hold one secret each, and [Static] is what they say, in the form
// in which the agent asks for it (package control's Keys).
package keys
