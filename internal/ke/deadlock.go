package ke

import (
	"fmt"

	"calloutsim/internal/verify"
)

// stuck looks, when nothing can run any more, for what no outside can end: processors that spin for ever, and
// circles of threads that wait for what the next one owns. Rule: LOCK-026.
func (m *Machine) stuck() {
	for _, t := range m.threads {
		if t.spin != nil && t.spin.held {
			m.deadlock(t, "nothing can run any more: a processor spins for a lock that nobody will release",
				"spin lock")
			return
		}
	}
	for _, t := range m.all {
		if m.inCircle(t) {
			m.deadlock(t, "threads wait for each other: each owns what the next one waits for",
				"cycle of owners")
			return
		}
	}
}

// CheckDeadlock reports LOCK-026 if, at the end of a run, a callback waits without time limit for something
// that nobody is left to signal. System threads and programs that wait outside of any other callback are
// servers waiting for work.
func (m *Machine) CheckDeadlock() {
	if m.dead || len(m.clock.heap) > 0 {
		return
	}
	for _, t := range m.all {
		if t.state == stWaiting && t.timer.index == 0 && !t.explained && t.suspends == 0 && !t.serves() {
			m.deadlock(t, "nothing can run any more, and a callback waits without time limit",
				"a callback waits")
			return
		}
	}
}

// Explain tells CheckDeadlock that a more specific rule has reported why t waits for ever (rules.md 12).
func (t *Thread) Explain() { t.explained = true }

func (t *Thread) serves() bool {
	f := Top(&t.K)
	return f == nil || f.Kind == FrameThread || f.Kind == FrameUser || f.Kind == FrameSystem
}

func (m *Machine) deadlock(first *Thread, headline, cause string) {
	f := verify.Finding{Rule: verify.LOCK_026, Case: cause, Ctx: first.name, Headline: headline}
	for _, t := range m.all {
		if line, ok := t.waitLine(); ok {
			f.Blocked = append(f.Blocked, line)
		}
	}
	f.Obj = first.waitsFor()
	m.ReportIdle(f)
}

// waitsFor names the first object the thread waits for, "" if it waits for none.
func (t *Thread) waitsFor() string {
	if t.spin != nil {
		return t.spin.ID.String()
	}
	if _, on, _, _ := t.Waits(); len(on) > 0 {
		return on[0].ID.String()
	}
	return ""
}

// waitLine says what the thread waits for, who has that, and since when.
func (t *Thread) waitLine() (line string, ok bool) {
	why, on, since, ok := t.Waits()
	if !ok {
		return "", false
	}
	line = t.active.name + " " + why
	if t.spin == nil {
		line = t.name + " waits in " + why
	}
	for i, o := range on {
		if i == 0 {
			line += " for"
		}
		line += " " + o.ID.String()
		switch {
		case o.Owner != nil:
			line += " (owner " + o.Owner.name + ")"
		case o.lock != nil && o.lock.Owned():
			line += " (held by " + o.lock.Owners() + ")"
		}
	}
	if t.spin != nil {
		line += " (held by " + t.spin.holder() + ")"
	}
	return line + ", since " + clockWords(since), true
}

// clockWords gives a time of the machine as reports print it.
func clockWords(at int64) string {
	at = Since(at)
	return fmt.Sprintf("%d.%07d s", at/Second, at%Second)
}

// inCircle follows owners of what t waits for and reports whether that leads back to t.
func (m *Machine) inCircle(t *Thread) bool {
	reached := t.blockedBy(nil)
	for at := 0; at < len(reached); at++ {
		if reached[at] == t {
			return true
		}
		for _, next := range reached[at].blockedBy(nil) {
			if !contains(reached, next) {
				reached = append(reached, next)
			}
		}
	}
	return false
}

func contains(threads []*Thread, t *Thread) bool {
	for _, x := range threads {
		if x == t {
			return true
		}
	}
	return false
}

// blockedBy adds the threads without each of which t can never go on.
func (t *Thread) blockedBy(found []*Thread) []*Thread {
	if t.state != stWaiting || t.timer.index != 0 || len(t.blocks) != 1 && !t.waitAll {
		return found
	}
	for i := range t.blocks {
		o := t.blocks[i].obj
		switch {
		case o.Owner != nil && o.Owner != t:
			found = append(found, o.Owner)
		case o.lock != nil:
			found = o.lock.blockers(t, found)
		}
	}
	return found
}
