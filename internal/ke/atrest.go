package ke

import (
	"fmt"

	"calloutsim/internal/verify"
)

// This file is about a machine in which nothing can run any more: what is left waiting, who holds it, and
// whether anybody could end it.

// AtRest registers who lists, for reports of a machine at rest, what its package holds: requests,
// classifications. Each line says who holds what since when.
func (m *Machine) AtRest(list func(m *Machine, say func(line string))) {
	c := checkState.On(m)
	c.left = append(c.left, list)
}

// CouldAct registers who knows whether some driver could still be called: by its unload routine, for a
// request, by the network.
func (m *Machine) CouldAct(may func(m *Machine) bool) {
	c := checkState.On(m)
	c.alive = append(c.alive, may)
}

// Quiet reports whether nothing can run any more but the thread that asks, if one does, and no timer is set.
func (m *Machine) Quiet(but *Thread) bool {
	if m.dead || len(m.clock.heap) > 0 || m.queued > 0 || len(m.chans) > 0 {
		return false
	}
	for _, t := range m.threads {
		if t != but {
			return false
		}
	}
	return true
}

// Left lists what is left in a machine at rest: what the packages hold and threads that wait without time
// limit. Nothing of it can end by itself.
func (m *Machine) Left() []string {
	if !m.Quiet(nil) {
		return nil
	}
	var out []string
	for _, list := range checkState.On(m).left {
		list(m, func(line string) { out = append(out, line) })
	}
	for _, t := range m.all {
		if line, ok := t.waitLine(); ok {
			out = append(out, line)
		}
	}
	return out
}

// When gives the time of an event as reports print it.
func (m *Machine) When(seq uint64) string {
	e := m.log.At(seq)
	if e == nil {
		return fmt.Sprintf("event %d", seq)
	}
	return fmt.Sprintf("%s (event %d)", clockWords(e.Time), seq)
}

// checkWaiters reports LOCK-026 as a hazard for a thread outside of all callbacks that waits for ever though
// no driver is left that could be called: system threads wait for work, but only while work can come.
func (m *Machine) checkWaiters() {
	who := checkState.On(m).alive
	if len(who) == 0 || !m.Quiet(nil) {
		return // nobody here knows of drivers
	}
	for _, may := range who {
		if may(m) {
			return
		}
	}
	for _, t := range m.all {
		if t.state != stWaiting || t.timer.index != 0 || t.explained || t.suspends > 0 || t.spin != nil ||
			len(t.blocks) == 0 {
			continue
		}
		top := Top(&t.K)
		if top == nil || top.Kind != FrameThread || top.Image == nil || top.Image.Unloaded {
			continue // programs wait for requests or for the network; a driver that is gone has been reported
		}
		line, _ := t.waitLine()
		m.ReportEnd(verify.Finding{Rule: verify.LOCK_026, Case: "a thread waits", Warning: true,
			Ctx: t.name, Obj: t.waitsFor(), Driver: top.Image.Name, At: t.name,
			Headline: t.name + " waits for ever: nothing can run any more, and no driver is left that " +
				"could signal " + t.waitsFor(),
			Blocked: []string{line}})
	}
}

// RunEndChecks makes the checks of the end of the run, unless a violation ended it.
func (m *Machine) RunEndChecks() {
	if m.dead {
		return
	}
	for _, check := range checkState.On(m).end {
		check(m)
	}
	m.CheckDeadlock()
	m.checkWaiters()
}
