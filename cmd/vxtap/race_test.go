//go:build race

package main

// raceDetector: memory is not what it is without.
const raceDetector = true
