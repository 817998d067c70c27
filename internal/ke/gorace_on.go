//go:build race && simraces

package ke

import (
	"runtime"
	"runtime/debug"
	"slices"
	"unsafe"
)

// GoRaces means that Go's own race detector watches the drivers (scheduling.md 10.2). Every context that
// race_clocks.go knows is then a goroutine of its own, which gives its processor away behind the detector's
// back, and every edge between two clocks of race_clocks.go is one between two goroutines as well.
//
// The detector must not see how the simulator gets at its own data. ksim race compiles the simulator's
// packages without it; what the run-time library tells it all the same is kept off by package list.
const GoRaces = true

// mark is something to release to and to acquire, for Go's detector.
type mark struct{ _ [2]uint64 }

func (m *mark) acquire() { runtime.RaceAcquire(unsafe.Pointer(m)) }
func (m *mark) release() { runtime.RaceReleaseMerge(unsafe.Pointer(m)) }

// marks is what a vclock is for our own detector: who acquires it knows what was released to it. Go's
// detector cannot join two clocks of which neither is that of the running goroutine, so marks that take over
// others refer to them. What is released to those afterwards counts as well, which may hide a race.
type marks struct {
	own *mark
	all []*mark
}

func (s *marks) acquire() {
	for _, m := range s.all {
		m.acquire()
	}
}

func (s *marks) release() {
	if s.own == nil {
		s.own = new(mark)
		s.all = append(s.all, s.own)
	}
	s.own.release()
}

// learn adds what is known to o.
func (s *marks) learn(o *marks) {
	for _, m := range o.all {
		if !slices.Contains(s.all, m) {
			s.all = append(s.all, m)
		}
	}
}

func (s *marks) forget() { *s = marks{} }

// reads tells the detector that the caller looks at what p points to.
func reads(p unsafe.Pointer) {
	if p != nil {
		runtime.RaceRead(p)
	}
}

// aside runs fn on a goroutine of its own, which begins without knowing anything, while the caller waits; it
// leaves the caller as fn left its goroutine.
func aside(fn func()) {
	done := make(chan bool)
	conceal()
	go func() {
		returned := false
		defer func() { send(done, returned) }()
		debug.SetPanicOnFault(true)
		fn()
		returned = true
	}()
	reveal()
	if !receive(done) {
		runtime.Goexit()
	}
}
