//go:build !(race && simraces)

package ke

import "unsafe"

// GoRaces says whether Go's own race detector watches the drivers (gorace_on.go). Here it does not, and
// nothing in this file does anything or takes room.
const GoRaces = false

type mark struct{}

func (*mark) acquire() {}
func (*mark) release() {}

type marks struct{}

func (*marks) acquire()       {}
func (*marks) release()       {}
func (*marks) learn(o *marks) {}
func (*marks) forget()        {}

func reads(p unsafe.Pointer) {}

// aside runs fn.
func aside(fn func()) { fn() }
