package sim

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// TB is what a machine needs of whoever started it: a test, one run of Explore, or the command.
type TB interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	FailNow()
	Failed() bool
	Cleanup(func())
}

// fatalf is Errorf and FailNow.
func fatalf(tb TB, format string, args ...any) {
	tb.Helper()
	tb.Errorf(format, args...)
	tb.FailNow()
}

// attr tells `go test -json` about the run.
func attr(tb TB, key, value string) {
	if a, ok := tb.(interface{ Attr(key, value string) }); ok {
		a.Attr(key, value)
	}
}

// runTB is the TB of a run that no test function stands for. FailNow ends the goroutine, as that of a test
// does.
type runTB struct {
	name     string
	failed   bool
	skipped  bool     // the run ended itself without a word
	messages []string // of Errorf
	logs     []string
	cleanups []func()
}

// again makes r that of another run.
func (r *runTB) again() {
	*r = runTB{name: r.name, cleanups: r.cleanups[:0]}
}

func (r *runTB) Helper()          {}
func (r *runTB) Name() string     { return r.name }
func (r *runTB) Failed() bool     { return r.failed }
func (r *runTB) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *runTB) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}
func (r *runTB) FailNow() { r.failed = true; runtime.Goexit() }
func (r *runTB) SkipNow() { r.skipped = true; runtime.Goexit() }
func (r *runTB) Errorf(format string, args ...any) {
	r.failed = true
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

// cleanup calls what was registered, last first, as a test does at its end.
func (r *runTB) cleanup() {
	for n := len(r.cleanups); n > 0; n = len(r.cleanups) {
		f := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		f()
	}
}

// machineCount numbers the machines of each test, so that every one of them has tokens of its own. It is
// the one thing here that outlives a machine: a test has no other place where two calls of New could meet.
var machineCount = struct {
	sync.Mutex
	of map[TB]int
}{of: map[TB]int{}}

// nextMachine gives the number of the next machine of tb, from 1.
func nextMachine(tb TB) int {
	machineCount.Lock()
	defer machineCount.Unlock()
	machineCount.of[tb]++
	n := machineCount.of[tb]
	if n == 1 {
		tb.Cleanup(func() {
			machineCount.Lock()
			defer machineCount.Unlock()
			delete(machineCount.of, tb)
		})
	}
	return n
}

// apart runs fn, and then what was registered with tb, on a goroutine of its own, which both may end with
// FailNow. It returns what was panicked with, and where.
func apart(tb *runTB, fn func()) (fault any) {
	var wg sync.WaitGroup
	protected := func(f func()) {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					fault = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
				}
			}()
			f()
		})
		wg.Wait()
	}
	protected(fn)
	for len(tb.cleanups) > 0 && fault == nil {
		protected(tb.cleanup)
	}
	return fault
}
