package ke

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// shadow is what is known about accesses to one block of memory or variable: for every 64 bytes the
// accesses that a later one may still race with. One that happened before another to the same bytes needs
// no memory, unless it was a write and the other was not.
type shadow struct{ lines [][]access }

const shadowLine = 64

// access is one access to bytes lo to hi of a line.
type access struct {
	lo, hi uint8
	how    Access
	cpu    uint8
	irql   uint8
	line   uint32 // number of the timeline
	clock  uint32
	seq    uint64
	time   int64
	off    int32 // of the whole access
	n      int32
	locks  []trace.ID
	pcs    []uintptr // with Config.Stacks
}

// Touch tells the race detector that k is about to read, write or free n bytes from off on of the memory
// that id names, or to make an interlocked step on it.
func Touch(k *K, id trace.ID, off, n int, how Access) {
	switch r := k.m.races; {
	case r == nil:
	case r.watch:
		r.touch(k, id, off, n, how)
	case how == A:
		r.bothID(k, id)
	}
}

// Watches reports whether the machine has a race detector.
func (m *Machine) Watches() bool { return m.races != nil && m.races.watch }

func (r *races) touch(k *K, id trace.ID, off, n int, how Access) {
	s := r.memory.of(tableKey{id: id})
	l := r.of(k)
	if how == A {
		if o := r.orders.get(tableKey{id: id}); o != nil {
			r.learn(l, o)
		}
	}
	var a access
	for at := off; at < off+n; {
		i := at / shadowLine
		end := min(off+n, (i+1)*shadowLine)
		for len(s.lines) <= i {
			s.lines = append(s.lines, nil)
		}
		lo, hi := uint8(at-i*shadowLine), uint8(end-i*shadowLine)
		at = end
		if last := len(s.lines[i]) - 1; last >= 0 && s.lines[i][last].repeats(l, lo, hi, how) {
			continue
		}
		if a.clock == 0 {
			a = r.access(k, l, off, n, how)
		}
		a.lo, a.hi = lo, hi
		if other := s.enter(i, l, &a); other != nil {
			r.report(k, id, other, &a)
		}
	}
	switch how {
	case A:
		r.bothID(k, id)
	case Free:
		*s = shadow{}
	}
}

// repeats reports whether an access to the same bytes would tell nothing new.
func (a *access) repeats(l *timeline, lo, hi uint8, how Access) bool {
	return a.line == l.num && a.clock == l.vc[l.num] && a.lo == lo && a.hi == hi && a.how == how
}

// access notes what a report may want to say about an access.
func (r *races) access(k *K, l *timeline, off, n int, how Access) access {
	same := func(h Held, id trace.ID) bool { return h.ID == id }
	if !slices.EqualFunc(k.locks, l.lockSet, same) {
		l.lockSet = make([]trace.ID, len(k.locks)) // accesses refer to the old one
		for i := range k.locks {
			l.lockSet[i] = k.locks[i].ID
		}
	}
	a := access{how: how, cpu: k.cpu.num, irql: k.irql, line: l.num, clock: l.vc[l.num], seq: r.m.log.Len(),
		time: r.m.Uptime(), off: int32(off), n: int32(n), locks: l.lockSet}
	if r.m.cfg.Stacks {
		var pcs [32]uintptr
		a.pcs = append([]uintptr(nil), pcs[:runtime.Callers(4, pcs[:])]...)
	}
	return a
}

// enter adds an access to a line. It returns an earlier one that it races with.
func (s *shadow) enter(i int, l *timeline, a *access) (other *access) {
	line := s.lines[i]
	for j := 0; j < len(line); {
		old := &line[j]
		switch {
		case old.hi <= a.lo || old.lo >= a.hi:
		case old.line != l.num && old.clock > l.vc.at(old.line):
			if conflict(old.how, a.how) && other == nil {
				was := *old
				other = &was
			}
		case a.lo <= old.lo && a.hi >= old.hi && (writes(a.how) || !writes(old.how)):
			line[j] = line[len(line)-1]
			line = line[:len(line)-1]
			continue
		}
		j++
	}
	s.lines[i] = append(line, *a)
	return other
}

func writes(how Access) bool { return how == W || how == Free }

// conflict reports whether two accesses of which neither happened before the other are a race. A plain read
// and an interlocked step are none: aligned reads of up to 64 bits are atomic on Windows (win32
// desktop-src/Sync/interlocked-variable-access.md), whatever else may be wrong with them.
func conflict(one, other Access) bool { return writes(one) || writes(other) }

// DataRace is the kind of the finding that the race detector makes. No catalogue has a number for it.
const DataRace = "data race"

func (r *races) report(k *K, id trace.ID, was, now *access) {
	me, they := r.of(k).name, r.lines[was.line].name
	if me == they {
		they = "an earlier call of it"
	}
	where := func(a *access) string { return a.where(id) }
	f := verify.Finding{Kind: DataRace, Obj: id.String(), AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%s is %s by %s and was %s by %s; nothing orders the two", where(now),
			now.verb(), me, was.verb(), they),
		Text: "Two contexts touch the same memory, at least one of them writes, and neither access " +
			"happened before the other. In this run they came one after the other; on another machine " +
			"they come at the same time, or in the other order.\n\n" + r.missing(was, now, they),
		Places: []verify.Place{{Label: "OTHER_ACCESS", Seq: was.seq, Time: was.time, CPU: was.cpu,
			IRQL: was.irql, Ctx: r.lines[was.line].name, Stack: Frames2(was.pcs),
			Event: where(was) + " was " + was.verb() + was.held()}},
		Dump: []string{
			"now:    " + where(now) + " is " + now.verb() + " at " + LevelName(now.irql) + now.held(),
			"before: " + where(was) + " was " + was.verb() + " at " + LevelName(was.irql) + was.held()},
		Fix: "protect both with one lock, let one wait for the other, or use interlocked operations for " +
			"both."}
	Report(k, f)
}

// missing says in words which edge there could have been.
func (r *races) missing(was, now *access, they string) string {
	s := "Missing is an edge from the earlier access to this one: "
	switch {
	case was.how == Free || now.how == Free:
		s += "the free must wait until nobody uses the memory any more, for instance by a reference count " +
			"with interlocked operations, rundown protection, or an event."
	case len(was.locks) > 0 && len(now.locks) > 0:
		s += "the two hold different locks, and different locks order nothing."
	case len(was.locks) > 0 || len(now.locks) > 0:
		s += "only one of the two holds a lock, and a lock that one side leaves out orders nothing."
	case was.how == A || now.how == A:
		s += "one of the two is interlocked, the other is not."
	default:
		s += they + " released no lock, set no event and queued nothing that this context took up."
	}
	if was.irql >= Dispatch || now.irql >= Dispatch {
		s += " A raised IRQL keeps off what runs on the same processor, and nothing else."
	}
	return s
}

// where names the bytes of an access.
func (a *access) where(id trace.ID) string {
	if id.Kind() == trace.Var {
		return id.String()
	}
	return fmt.Sprintf("%v+%#x (%d bytes)", id, a.off, a.n)
}

func (a *access) verb() string {
	switch a.how {
	case R:
		return "read"
	case A:
		return "changed by an interlocked operation"
	case Free:
		return "freed"
	}
	return "written"
}

// held lists the locks of an access.
func (a *access) held() string {
	if len(a.locks) == 0 {
		return ", no lock held"
	}
	var names []string
	for _, id := range a.locks {
		names = append(names, id.String())
	}
	return ", holding " + strings.Join(names, ", ")
}
