package sim

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// A test is green for nothing where the driver never got as far as doing anything. So what sets a driver up
// or lets a program in (DriverEntry, a registration of a driver, CreateFile) may fail only where something
// was made to fail in the run, or Windows gave an answer that is not the boring one; else the test fails,
// unless it says that this is as it should be (Machine.MayFail).

// The names of what is no DDI.
const (
	driverEntry = "DriverEntry"
	createFile  = "CreateFile"
)

// setups begin the names of the routines that set a driver up.
var setups = []string{"IoCreateDevice", "IoCreateSymbolicLink", "IoCreateUnprotectedSymbolicLink",
	"IoAttachDevice", "IoRegister", "PsSetCreate", "PsSetLoadImage", "ExRegister", "ObRegister", "CmRegister",
	"KeRegister", "WskRegister", "WskCaptureProviderNPI", "FwpsCalloutRegister", "FwpsRedirectHandleCreate",
	"FwpsInjectionHandleCreate", "FwpmEngineOpen", "FwpmProvider", "FwpmSubLayerAdd", "FwpmCalloutAdd",
	"FwpmFilterAdd", "FwpmTransactionCommit"}

// setsUp reports whether a routine is one that sets a driver up.
func setsUp(routine string) bool {
	return slices.ContainsFunc(setups, func(s string) bool { return strings.HasPrefix(routine, s) })
}

// MayFail says that a load, an open or a registration may fail although nothing was made to fail in the run,
// which otherwise fails the test. what is DriverEntry, CreateFile, or the name of a routine, alone or with a
// status: "FwpmSubLayerAdd0=STATUS_FWP_ALREADY_EXISTS".
func (m *Machine) MayFail(what ...string) {
	m.tb.Helper()
	for _, w := range what {
		routine, status, given := strings.Cut(w, "=")
		switch {
		case routine != driverEntry && routine != createFile && !setsUp(routine):
			fatalf(m.tb, "sim: MayFail(%q): it is DriverEntry, CreateFile, or a routine that registers "+
				"something, such as FwpmSubLayerAdd0", w)
		case given && !strings.HasPrefix(status, "STATUS_"):
			fatalf(m.tb, "sim: MayFail(%q): %q is no status", w, status)
		}
	}
	m.mayFail = append(m.mayFail, what...)
}

// allowed reports whether the test has said that a call may fail so.
func (m *Machine) allowed(routine string, s ntstatus.NTSTATUS) bool {
	return slices.Contains(m.mayFail, routine) || slices.Contains(m.mayFail, routine+"="+s.String())
}

// injected is the last answer so far that is no step of the schedule and not the boring one, in words; "" if
// there was none: what fails then does so by itself.
func (m *Machine) injected() string {
	choices := m.ke.Choices()
	for i := len(choices) - 1; i >= 0; i-- {
		if c := &choices[i]; c.Pick != 0 && !strings.HasPrefix(c.Site.Name, "sched/") {
			return c.Site.Name + "=" + c.Site.Alt(int(c.Pick))
		}
	}
	return ""
}

// refusedCall is told of every DDI that fails.
func (m *Machine) refusedCall(k *ke.K, routine string, s ntstatus.NTSTATUS) {
	img := ke.Acting(k)
	if img == nil || img.System || img.Test {
		return
	}
	frames := ke.Frames(k)
	inEntry := frames[0].Kind == ke.FrameEntry
	if !inEntry && !setsUp(routine) || m.injected() != "" {
		return
	}
	if strings.HasPrefix(routine, "WskCaptureProviderNPI") && s == ntstatus.STATUS_DEVICE_NOT_READY {
		return // that is how a capture ends when WskDeregister is called
	}
	r := refusal{routine, img.Name, s, here(), ""}
	if inEntry {
		m.inEntry = r
	}
	if setsUp(routine) {
		m.refuse(r)
	}
}

// here is the line of a driver or test that is being executed, whatever it calls for help.
func here() verify.Frame {
	var pcs [48]uintptr
	it := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := it.Next()
		helper := strings.HasPrefix(f.Function, "github.com/stretchr/testify/")
		if f.Function != "" && !helper && !ke.Core(f.Function, f.File) {
			return verify.Frame{File: filepath.Base(f.File), Line: f.Line}
		}
		if !more {
			return verify.Frame{}
		}
	}
}

// refuse notes what failed, unless it may.
func (m *Machine) refuse(r refusal) {
	if !m.allowed(r.routine, r.status) && m.injected() == "" && len(m.refusals) < maxRefusals {
		m.refusals = append(m.refusals, r)
	}
}

// maxRefusals is how many are told: the first ones say what is wrong.
const maxRefusals = 5

// entryRefused is the refusal of a DriverEntry that has returned a failure.
func (m *Machine) entryRefused(drv *irp.DRIVER_OBJECT, entry irp.DRIVER_INITIALIZE,
	s ntstatus.NTSTATUS) refusal {
	r := refusal{routine: driverEntry, who: drv.Image().Name, status: s}
	if in := m.inEntry; in.who == r.who {
		r.at, r.detail = in.at, fmt.Sprintf("%s returned %v", in.routine, in.status)
	} else {
		r.at = ke.Beginning(entry)
	}
	return r
}

// openRefused notes a CreateFile that fails.
func (u *User) openRefused(path string, s ntstatus.NTSTATUS) {
	if m := u.p.m; !m.ke.Dead() {
		m.refuse(refusal{createFile, u.p.p.Image, s, here(), path})
	}
}

// String words a refusal: who got which status, where, and what to do.
func (r *refusal) String() string {
	s := ""
	if r.at.File != "" {
		s = fmt.Sprintf("%s:%d: ", r.at.File, r.at.Line)
	}
	switch {
	case r.routine == driverEntry:
		s += fmt.Sprintf("DriverEntry of %s returned %v", r.who, r.status)
		if r.detail != "" {
			s += " (" + r.detail + ")"
		}
	case r.detail != "":
		s += fmt.Sprintf("%s of %s by %s failed: %v", r.routine, r.detail, r.who, r.status)
	default:
		s += fmt.Sprintf("%s called by %s returned %v", r.routine, r.who, r.status)
	}
	return s + ", although nothing was made to fail in this run. A scenario in which that is right says " +
		fmt.Sprintf("m.MayFail(%q)", r.routine+"="+r.status.String())
}

// tellRefused fails the test for what failed although nothing was made to fail. A run that broke a rule has
// something else to say, and a test that collects looks itself.
func (m *Machine) tellRefused() {
	m.tb.Helper()
	if m.opt.Collect || m.toldRefused || m.violated() || m.ke.WasCut() {
		return
	}
	for i := range m.refusals {
		m.toldRefused = true
		m.tb.Errorf("%s", m.refusals[i].String())
	}
}

// refusedLoad ends a run whose driver could not be loaded: as failed, or, where something was made to fail or
// the test has said that it may, without a word.
func (m *Machine) refusedLoad(r refusal) {
	m.tb.Helper()
	why := m.injected()
	if why == "" && !m.allowed(r.routine, r.status) {
		m.toldRefused = true
		fatalf(m.tb, "%s", r.String())
	}
	if why == "" {
		why = "which it may"
	}
	m.tb.Logf("sim: the run ends here: DriverEntry of %s returned %v (%s)", r.who, r.status, why)
	if t, ok := m.tb.(interface{ SkipNow() }); ok {
		t.SkipNow()
	}
	m.tb.FailNow()
}

// emptyRuns fails an exploration that has tried nothing: no run got a driver loaded, or in none anything
// happened at all. A shard alone cannot tell.
func (e *explorer) emptyRuns(r *Result) {
	e.tb.Helper()
	if e.o.Collect || r.Runs == 0 || len(r.Failures) > 0 || e.o.shards > 1 {
		return
	}
	never := e.neverLoaded()
	e.idle = len(never) > 0 || !e.busy && (e.book == nil || e.book.had == 0)
	switch {
	case len(never) > 0:
		e.tb.Errorf("sim: %s was not loaded in any of %d runs: its DriverEntry failed every time, and "+
			"nothing of it was tried", strings.Join(never, " and "), r.Runs)
	case e.idle:
		e.tb.Errorf("sim: nothing happened in any of %d runs: the scenario loads no driver and starts no "+
			"program or thread", r.Runs)
	}
}
