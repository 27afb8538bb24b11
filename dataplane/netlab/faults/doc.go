// Package faults has system calls fail, one at a time, in a process that a test started:
// to see that what fails is said, and that nothing is left behind or lost.
//
// A process that [Start] starts calls [Obey] first. From then on its kernel asks the test
// before each of the calls in question (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)), of
// whatever thread, in turn: the test answers with an error, or lets the call be. So the
// program under test is what users run, and the order of its calls is that in which they
// were made.
//
// [Sweep] does this to a scenario of a test binary, once for every call that it makes.
// Linux only.
package faults
