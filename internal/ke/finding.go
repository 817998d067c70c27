package ke

import (
	"fmt"
	"runtime"
	"strings"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Misuse is a panic value: the harness or the test is used wrongly. It becomes a t.Fatal with this text.
type Misuse string

func (m Misuse) Error() string { return string(m) }

var levelNames = [...]string{"PASSIVE_LEVEL", "APC_LEVEL", "DISPATCH_LEVEL"}

// LevelName gives the name of an IRQL.
func LevelName(l uint8) string {
	switch {
	case int(l) < len(levelNames):
		return levelNames[l]
	case l == High:
		return "HIGH_LEVEL"
	}
	return fmt.Sprintf("DIRQL %d", l)
}

// Report tells the machine that a rule is broken by the code that runs in k. It fills in where and when. For
// a violation it does not return unless the machine collects (rules.md 1.2): the caller then does what
// Windows does without a verifier.
func Report(k *K, f verify.Finding) {
	if keep(k, &f) && !goesOn(k.m, &f) {
		k.m.breaksOff()
		k.m.dead, k.m.cur = true, nil
		k.m.die()
	}
}

// Stop is Report for what ends the run in any case: it does not return.
func Stop(k *K, f verify.Finding) {
	keep(k, &f)
	k.m.breaksOff()
	k.m.dead, k.m.cur = true, nil
	k.m.die()
}

// Collect is Report for a violation that Windows answers with a documented status: it always returns.
func Collect(k *K, f verify.Finding) { keep(k, &f) }

func goesOn(m *Machine, f *verify.Finding) bool {
	r := f.Rule
	if f.Severity() != verify.Error {
		return true
	}
	return !f.Fatal() && (m.cfg.Continue || m.cfg.Continues != nil && m.cfg.Continues(r))
}

// ReportEnd keeps a finding of the checks made at unload or at the end of a run, when no driver code runs.
func (m *Machine) ReportEnd(f verify.Finding) {
	f.Time, f.Seq = m.Uptime(), m.log.Len()
	if f.Ctx == "" {
		f.Ctx = "end of run"
	}
	m.fill(&f)
	m.finish(&f)
	m.fillPlaces(&f)
	if m.Describe != nil {
		m.Describe(nil, &f)
	}
	m.find = append(m.find, f)
	m.log.Add(&trace.Event{What: trace.Finding, Time: m.now, A: uint64(f.Rule), Flags: trace.HasA})
}

// ReportIdle is Report where no driver code runs but the machine does: a timer expires, nothing can run any
// more.
func (m *Machine) ReportIdle(f verify.Finding) {
	m.ReportEnd(f)
	if !goesOn(m, &f) {
		m.dead = true
	}
}

func keep(k *K, f *verify.Finding) bool {
	m := k.m
	m.refine(k, f)
	var pcs [32]uintptr
	n := runtime.Callers(3, pcs[:])
	f.Stack = Frames2(pcs[:n])
	if len(k.frames) > 0 {
		f.Stack = attribute(k, f.Stack, n < len(pcs))
	}
	s := seenFinding{rule: f.Rule, obj: f.Obj, at: f.At}
	if f.PerPlace {
		s.obj = ""
	}
	if len(f.Stack) > 0 {
		s.file, s.line = f.Stack[0].File, f.Stack[0].Line
	}
	for i := range m.seen {
		if m.seen[i] == s {
			return false
		}
	}
	m.seen = append(m.seen, s)
	f.CPU, f.IRQL, f.Ctx, f.Time = k.cpu.num, k.irql, k.name, m.Uptime()
	if img := Acting(k); img != nil && f.Driver == "" {
		f.Driver = img.Name
	}
	f.Seq = Log(k, trace.Event{What: trace.Finding, A: uint64(f.Rule), Flags: trace.HasA})
	m.fillPlaces(f)
	if m.Describe != nil {
		m.Describe(k, f)
	}
	m.find = append(m.find, *f)
	return true
}

func (m *Machine) fillPlaces(f *verify.Finding) {
	for i := range f.Places {
		p := &f.Places[i]
		e := m.log.At(p.Seq)
		if e == nil || p.Event != "" { // an access to memory is no event: its finding says all
			continue
		}
		p.Time, p.CPU, p.IRQL = Since(e.Time), e.CPU, e.IRQL
		p.Stack = Frames2(m.Stack(p.Seq))
	}
}

// Findings returns what was found, in order.
func (m *Machine) Findings() []verify.Finding { return m.find }

func (m *Machine) recordStack(seq uint64) {
	var pcs [32]uintptr
	n := runtime.Callers(3, pcs[:])
	for uint64(len(m.stacks)) <= seq {
		m.stacks = append(m.stacks, nil)
	}
	m.stacks[seq] = append([]uintptr(nil), pcs[:n]...)
}

// FuncName gives the name of a routine from its code address, as a debugger would: without the package path.
func FuncName(pc uintptr) string {
	f := runtime.FuncForPC(pc)
	if f == nil {
		return "?"
	}
	return shortFunc(f.Name())
}

func shortFunc(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if i := strings.IndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	return strings.TrimSuffix(name, "-fm")
}

// corePackages are those whose frames a report leaves out: the kernel, the harness and what a driver uses of
// the standard library, not the driver.
var corePackages = [...]string{
	"runtime.", "iter.", "testing.", "bytes.", "encoding/", "fmt.", "hash/", "internal/", "reflect.",
	"slices.", "sort.", "strings.", "unicode/", "calloutsim/internal/", "calloutsim/irql.", "calloutsim/irp.",
	"calloutsim/wsk.", "calloutsim/wsk/ws2def.", "calloutsim/fwps.", "calloutsim/fwps/fwpm.",
	"calloutsim/fwps/ndis.",
	"calloutsim/sim.",
	"calloutsim/ntstatus.",
}

// Frames2 turns program counters into the frames of drivers and programs, innermost first.
func Frames2(pcs []uintptr) []verify.Frame {
	if len(pcs) == 0 {
		return nil
	}
	var out []verify.Frame
	it := runtime.CallersFrames(pcs)
	for {
		f, more := it.Next()
		if f.Function != "" && !core(f) {
			file := f.File
			if i := strings.LastIndexByte(file, '/'); i >= 0 {
				file = file[i+1:]
			}
			out = append(out, verify.Frame{Func: shortFunc(f.Function), File: file, Line: f.Line})
		}
		if !more {
			return out
		}
	}
}

func core(f runtime.Frame) bool {
	if strings.HasSuffix(f.File, "_test.go") {
		return false
	}
	for _, p := range corePackages {
		if strings.HasPrefix(f.Function, p) {
			return true
		}
	}
	return false
}

// panicFrames drops the frames of the panic itself, keeps those of the simulator up to the first frame of a
// driver, and behind it only those of drivers and programs. ours is how many of the first kind there are.
func panicFrames(pcs []uintptr) (out []verify.Frame, ours int) {
	panicking, begun, driver := false, false, false
	it := runtime.CallersFrames(pcs)
	for {
		f, more := it.Next()
		rt := strings.HasPrefix(f.Function, "runtime.")
		panicking = panicking || f.Function == "runtime.gopanic"
		begun = begun || panicking && !rt
		sys := core(f)
		if begun && f.Function != "" && (!sys || !driver) {
			driver = driver || !sys
			name := shortFunc(f.Function)
			if sys {
				name = f.Function[strings.LastIndexByte(f.Function, '/')+1:]
				ours++
			}
			file := f.File[strings.LastIndexByte(f.File, '/')+1:]
			out = append(out, verify.Frame{Func: name, File: file, Line: f.Line})
		}
		if !more {
			break
		}
	}
	if !driver {
		ours = min(ours, 8) // the rest is how simulated code is started
		return out[:ours], ours
	}
	return out, ours
}
