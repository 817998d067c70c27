package sim

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"calloutsim/internal/ke"
)

// guard looks from time to time, on the wall clock, whether the machines that run have come back to the
// simulator. Go has no means to take a goroutine away from what it waits for, so all that is left when one
// has not is to say where it is and to end the process. It only reads, and nothing of what it reads is
// written for its sake.
//
// Time is counted in looks, not by the clock: a process that was stopped, by a debugger for instance, has not
// been looked at meanwhile.
var guard watchdogs

type watchdogs struct {
	sync.Mutex
	known bool
	limit time.Duration
	on    []watched
	timer *time.Timer
	armed bool
}

// watched is a machine that runs simulated code.
type watched struct {
	m    *Machine
	seen uint64 // its progress at the last look
	same int    // looks since it was another
}

// looks is how many times a machine is looked at within the patience.
const looks = 10

// begin says that m is about to run simulated code.
func (d *watchdogs) begin(m *Machine) {
	d.Lock()
	defer d.Unlock()
	if !d.known {
		d.known = true
		d.limit, _ = patience() // checked when the machine was made
	}
	if d.limit == 0 {
		return
	}
	d.on = append(d.on, watched{m: m})
	switch {
	case d.armed:
	case d.timer == nil:
		d.timer = time.AfterFunc(d.limit/looks, d.look)
	default:
		d.timer.Reset(d.limit / looks)
	}
	d.armed = true
}

// end says that m has come back.
func (d *watchdogs) end(m *Machine) {
	d.Lock()
	defer d.Unlock()
	for i := len(d.on) - 1; i >= 0; i-- {
		if d.on[i].m == m {
			d.on = slices.Delete(d.on, i, i+1)
			return
		}
	}
}

// look is called by the timer as long as there is something to look at.
func (d *watchdogs) look() {
	d.Lock()
	defer d.Unlock()
	if d.armed = len(d.on) > 0; !d.armed {
		return
	}
	for i := range d.on {
		w := &d.on[i]
		if p := w.m.ke.Progress(); p != w.seen {
			w.seen, w.same = p, 0
			continue
		}
		if w.same++; w.same >= looks {
			bark(os.Stdout, w.m, d.limit)
			os.Exit(1)
		}
	}
	d.timer.Reset(d.limit / looks)
}

// bark says where m is.
func bark(w io.Writer, m *Machine, limit time.Duration) {
	at := m.ke.Standing()
	text := hangs(m, &at, goroutineOf(at.Goroutine), limit)
	if !testing.Testing() {
		fmt.Fprintf(os.Stderr, "ksim: %s\n", text)
		return
	}
	tellFailed(w, m.tb.Name(), text, limit)
}

// tellFailed prints what package testing would print of a test that fails, for a process that ends at once.
func tellFailed(w io.Writer, test, text string, took time.Duration) {
	mark := "" // that a line is of package testing and not of the test
	if v := lookUp("test.v"); v == "test2json" {
		mark = "\x16"
	}
	fmt.Fprintf(w, "\n    %s\n", strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    "))
	for {
		fmt.Fprintf(w, "%s--- FAIL: %s (%.2fs)\n", mark, test, took.Seconds())
		i := strings.LastIndexByte(test, '/')
		if i < 0 {
			break
		}
		test = test[:i]
	}
	fmt.Fprintf(w, "%sFAIL\n", mark)
}

// hangs is the report.
func hangs(m *Machine, at *ke.Standing, g goroutine, limit time.Duration) string {
	var b strings.Builder
	what := "a driver"
	switch {
	case at.Context == "":
		what = "the condition that RunUntil was given"
	case at.Role == ke.FrameUser:
		what = "a program"
	}
	fmt.Fprintf(&b, "sim: %s has not come back to the simulator for %v (-sim.watchdog), and nobody else can "+
		"run meanwhile\n", what, limit)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s%s\n", name+":", fmt.Sprintf(format, args...))
	}
	line("test", "%s, run %d", m.name, max(m.opt.Seed, 1))
	if at.Context != "" {
		line("context", "%s, processor %d, IRQL %d", at.Context, at.CPU, at.IRQL)
	}
	if at.Owner != "" {
		line("code of", "%s", at.Owner)
	}
	if at.Role != ke.NoFrame {
		line("callback", "%s (%v)", ke.FuncName(at.Fn), at.Role)
	}
	if at.Unwinding {
		line("when", "the run is over, and deferred calls are made")
	}
	if len(g.frames) > 0 {
		line("line", "%s", g.frames[0])
	}
	line("does", "%s", g.does())
	for i, f := range g.frames {
		head := ""
		if i == 0 {
			head = "stack:"
		}
		fmt.Fprintf(&b, "  %-10s%s\n", head, f)
	}
	fmt.Fprintf(&b, "%s\n", g.instead(at.Role == ke.FrameUser))
	if m.repeat != nil && m.opt.Seed > 1 {
		t := Token{Scenario: m.scenario, Options: m.opt.bits()}
		for _, d := range at.Deviations {
			t.Deviations = append(t.Deviations, Deviation{d.Index, d.Pick})
		}
		fmt.Fprintf(&b, "REPLAY: %s\n", m.repeat(t.String())[0])
	}
	b.WriteString("The process ends here, since Go cannot take a goroutine away from what it waits for.")
	return b.String()
}
