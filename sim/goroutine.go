package sim

import (
	"flag"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
)

// goroutine is what the run-time library says about one of them.
type goroutine struct {
	state  string   // "chan receive", "running"
	frames []string // of drivers and tests, innermost first
}

// goroutineOf finds a goroutine by its number. Number 0 is the one that drives a machine itself: the first
// that is in Machine.drive and does not wait for a context.
func goroutineOf(number uint64) goroutine {
	b := make([]byte, 1<<20)
	for n := runtime.Stack(b, true); ; n = runtime.Stack(b, true) {
		if n < len(b) || len(b) >= 64<<20 {
			b = b[:n]
			break
		}
		b = make([]byte, 4*len(b))
	}
	return findGoroutine(string(b), number)
}

// findGoroutine is goroutineOf in what runtime.Stack has said.
func findGoroutine(dump string, number uint64) goroutine {
	for block := range strings.SplitSeq(dump, "\n\n") {
		head, rest, _ := strings.Cut(block, "\n")
		n, state, ok := strings.Cut(strings.TrimPrefix(head, "goroutine "), " [")
		if !ok {
			continue
		}
		n, _, _ = strings.Cut(n, " ")
		state, _, _ = strings.Cut(strings.TrimSuffix(state, "]:"), ",")
		switch {
		case number != 0 && n != strconv.FormatUint(number, 10):
			continue
		case number == 0 && (state == "coroutine" || !strings.Contains(rest, "sim.(*Machine).drive(")):
			continue
		}
		return goroutine{state: state, frames: framesOf(rest)}
	}
	return goroutine{}
}

// maxHung is how many frames are shown.
const maxHung = 12

// framesOf gives the frames of drivers and tests.
func framesOf(stack string) (frames []string) {
	lines := strings.Split(stack, "\n")
	for i := 0; i+1 < len(lines) && len(frames) < maxHung; i += 2 {
		function, file := lines[i], strings.TrimSpace(lines[i+1])
		if strings.HasPrefix(function, "created by ") {
			break
		}
		if j := strings.LastIndexByte(function, '('); j > 0 {
			function = function[:j]
		}
		at, _, _ := strings.Cut(file, " +0x")
		name, _, _ := strings.Cut(at, ":")
		if j := strings.LastIndex(at, ".go:"); j > 0 {
			name = at[:j+len(".go")]
		}
		if ke.Core(function, name) || strings.HasPrefix(function, "sync.") ||
			strings.HasPrefix(function, "time.") {
			continue
		}
		function = path.Base(function)
		if _, short, ok := strings.Cut(function, "."); ok {
			function = short
		}
		frames = append(frames, fmt.Sprintf("%s (%s)", at[strings.LastIndexAny(at, `/\`)+1:], function))
	}
	return frames
}

// does says in words what the goroutine does.
func (g *goroutine) does() string {
	switch {
	case g.runs():
		return "it runs, in a loop without a scheduling point or in a very long calculation"
	case g.state == "":
		return "not known"
	}
	return "it waits in Go: " + g.state
}

func (g *goroutine) runs() bool {
	return strings.HasPrefix(g.state, "run") || g.state == "preempted" || g.state == "waiting"
}

// instead says what drivers and programs use in place of it.
func (g *goroutine) instead(program bool) string {
	const reason = "What Go's own routines wait for would have to be done by somebody who cannot " +
		"run:\none context runs at a time, and it gives its processor away only in routines of the " +
		"simulator.\n"
	const spins = "A loop that waits for others needs a scheduling point.\n"
	switch {
	case program && g.runs():
		return spins + "In a program that is User.Yield or User.Sleep."
	case program:
		return reason + "Programs use User.Sleep, sockets and devices; what two of their threads share is " +
			"polled with User.Yield."
	}
	switch s := g.state; {
	case g.runs():
		return spins + "Wait with irql.KeWaitForSingleObject or irql.KeDelayExecutionThread; what contexts " +
			"share belongs into irql.Var or is changed by irql.Interlocked* routines, which are scheduling " +
			"points."
	case strings.HasPrefix(s, "sync.Mutex"), strings.HasPrefix(s, "sync.RWMutex"), s == "semacquire":
		return reason + "Drivers use irql.KSPIN_LOCK with KeAcquireSpinLock, irql.FAST_MUTEX with " +
			"ExAcquireFastMutex, or irql.ERESOURCE for readers and writers."
	case strings.HasPrefix(s, "chan"), strings.HasPrefix(s, "select"), strings.HasPrefix(s, "sync."):
		return reason + "Drivers use irql.KEVENT with KeSetEvent, KeWaitForSingleObject and " +
			"KeWaitForMultipleObjects."
	case s == "sleep":
		return reason + "Drivers use irql.KeDelayExecutionThread, or irql.KTIMER with a KDPC: " +
			"time is virtual."
	}
	return reason + "Drivers have no files, sockets or locks of the host; they use those of irql, irp and " +
		"wsk."
}

// lookUp is the value of a flag of the process, "" where it has none of the name.
func lookUp(name string) string {
	if f := flag.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}
