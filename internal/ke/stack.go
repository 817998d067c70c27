package ke

import (
	"runtime"
	"runtime/debug"
)

// stack is one pooled coroutine. Between two bodies it waits for the next one; it ends only when it is closed
// or when a body was unwound.
type stack struct {
	baton
	m     *Machine
	t     *Thread // what it runs; nil between two threads
	dead  bool
	exits bool // the body ended its thread and unwinds
}

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
	if !s.dead {
		m.free = append(m.free, s)
	}
}

func (s *stack) loop() {
	finished := false
	defer func() {
		if !finished {
			s.top(recover())
		}
	}()
	for s.t != nil {
		s.t.main()
		s.t = nil
		s.park()
	}
	finished = true
}

// top runs while a body is unwound: by Goexit in a dead machine, by a panic in the driver, or by t.FailNow.
func (s *stack) top(value any) {
	s.dead = true
	switch {
	case value == nil && (s.m.dead || s.exits):
		panic(killed{})
	case value != nil:
		s.m.driverPanicked(value, debug.Stack())
	}
}

// switchTo resumes s and reports whether its body is still there to be resumed again. Hub side.
func (s *stack) switchTo() (alive bool) {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(killed); !ok {
				panic(v)
			}
			s.dead, alive = true, false
		}
	}()
	return s.resume() && s.t != nil
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
func die() { runtime.Goexit() }
