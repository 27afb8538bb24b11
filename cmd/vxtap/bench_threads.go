package main

import "runtime"

// benchThreads lets generators and sinks wait in system calls and spin on threads of
// their own, without keeping the connection over which they agree from being served: on a
// machine of one core or two, Go would otherwise run no more than that at once.
func benchThreads() { runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0))) }
