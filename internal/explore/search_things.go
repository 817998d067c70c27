package explore

import (
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
)

// Exhaustive says how all runs of a scenario are gone through.
type Exhaustive struct {
	Name        string
	Reduce      bool
	Sleep       bool // DFS with sleep sets; Plain takes it away
	Preemptions int  // -1: no bound
	Delays      int  // -1: no bound
}

// ParseExhaustive reads dfs, dpor, preemptN or delayN. ok is false for any other name.
func ParseExhaustive(name string) (x Exhaustive, ok bool, err error) {
	x = Exhaustive{Name: name, Preemptions: -1, Delays: -1}
	number := func(prefix string, into *int) bool {
		digits, found := strings.CutPrefix(name, prefix)
		if !found {
			return false
		}
		n, e := strconv.ParseUint(digits, 10, 16)
		if e != nil {
			err = fmt.Errorf("strategy %q: it is %sN with a number N of at least 0", name, prefix)
		}
		*into = int(n)
		return true
	}
	switch {
	case name == "dfs":
		x.Sleep = true
	case name == "dpor":
		x.Reduce = true
	case number("preempt", &x.Preemptions), number("delay", &x.Delays):
	default:
		return x, false, nil
	}
	return x, true, err
}

// Plain makes a DFS go through every schedule, for a machine whose processors contexts wait for: which steps
// commute is known only where there is one for everybody.
func (x *Exhaustive) Plain() { x.Sleep = false }

// Search starts the search. answers and faults are how many answers of Windows that are not the boring ones,
// and how many failures, one run may have at most.
func (x *Exhaustive) Search(answers, faults int) *Search {
	s := &Search{Bounds: NoBounds, Reduce: x.Reduce, Sleep: x.Sleep, Orders: x.Sleep}
	s.Answers, s.Faults = answers, faults
	if x.Preemptions >= 0 {
		s.Preemptions = x.Preemptions
	}
	if x.Delays >= 0 {
		s.Delays = x.Delays
	}
	if x.Reduce || x.Sleep {
		s.Trail = &ke.Trail{}
	}
	return s
}

// Things is what the runs of the strategy are, in words.
func (x *Exhaustive) Things() string {
	if x.Reduce || x.Sleep {
		return "partial orders"
	}
	return "schedules"
}

// Within words the bounds, with those on answers and faults, that runs of the strategy stay within.
func (x *Exhaustive) Within(answers, faults int) string {
	s := ""
	if x.Preemptions >= 0 {
		s += fmt.Sprintf(", preemptions <= %d", x.Preemptions)
	}
	if x.Delays >= 0 {
		s += fmt.Sprintf(", delays <= %d", x.Delays)
	}
	return s + fmt.Sprintf(", answers <= %d, faults <= %d", answers, faults)
}

// Grouped writes a number in groups of three digits: 1 832.
func Grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
