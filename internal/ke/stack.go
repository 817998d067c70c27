package ke

import (
	"runtime"
	"runtime/debug"
)

// killed is what a coroutine panics with at its top when it was unwound because its machine is dead
// (scheduling.md 3.4).
type killed struct{}

func (m *Machine) getStack() *stack {
	if n := len(m.free); n > 0 {
		s := m.free[n-1]
		m.free = m.free[:n-1]
		return s
	}
	s := &stack{m: m}
	s.start(s.loop)
	return s
}

func (m *Machine) putStack(s *stack) {
	s.t = nil
	switch {
	case s.dead:
	case GoRaces: // for Go's detector a goroutine is one context
		s.close()
	default:
		m.free = append(m.free, s)
	}
}

func (s *stack) loop() {
	debug.SetPanicOnFault(true) // special pool: Explain makes a finding of the panic
	s.goroutine, s.g = thisGoroutine(), currentG()
	s.m.onG = s.g
	finished := false
	defer func() {
		s.m.rest.release()
		if !finished {
			s.top(recover())
		}
	}()
	for s.t != nil {
		s.t.main()
		s.t = nil
		s.m.rest.release()
		s.park()
	}
	finished = true
}

// top runs while a body is unwound: by Goexit in a dead machine, by a panic in the driver, or by t.FailNow.
func (s *stack) top(value any) {
	s.dead = true
	switch {
	case s.m.dead, value == nil && s.exits:
		panic(killed{}) // also where a deferred function panicked while it was unwound: only a consequence
	case value != nil:
		s.m.driverPanicked(value, debug.Stack())
	}
}

// switchTo resumes s and reports whether its body is still there to be resumed again. Hub side; the caller
// catches killed.
func (s *stack) switchTo() (alive bool) { return s.resume() && s.t != nil }

// catchKilled is deferred around switches to s: one that ends with the sentinel means that s was unwound.
func catchKilled(s **stack) {
	if *s == nil {
		return
	}
	if v := recover(); v != nil {
		if _, ok := v.(killed); !ok {
			panic(v)
		}
		(*s).dead = true
	}
}

// close lets the coroutine end. Hub side; the coroutine must be without a body.
func (s *stack) close() {
	if s.dead {
		return
	}
	s.dead = true
	s.t = nil
	s.end()
}

// die unwinds the running context of a dead machine.
func (m *Machine) die() {
	m.rest.acquire() // contexts are unwound one after the other, and nothing is at stake any more
	runtime.Goexit()
}

// thisGoroutine gives the number under which the run-time library lists the running goroutine.
func thisGoroutine() (n uint64) {
	var b [64]byte
	const before = "goroutine "
	for _, c := range b[len(before):max(runtime.Stack(b[:], false), len(before))] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
