package ke

import (
	"fmt"

	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// yield lets somebody else run if anybody can.
func (m *Machine) yield(k *K) {
	m.steps++
	if m.steps >= m.cfg.MaxSteps {
		m.pointSlow(k)
	}
	if m.idle++; m.idle == idleTurns {
		m.livelock(k)
	}
	a := m.others(k.t)
	if len(a) == 0 {
		// Only time can change what a polling loop looks at.
		if !m.advance() {
			return
		}
		if a = m.others(k.t); len(a) == 0 {
			return
		}
	}
	k.t.active = k
	if m.next = m.ask(a, k.t, true); m.next == nil {
		m.leave()
	}
	m.park(k)
}

// others lists what can happen instead of self, fairly: what comes after self's number first, so that two
// polling loops do not keep everybody else from running even when every choice is 0.
func (m *Machine) others(self *Thread) []alternative {
	a := m.enumerate(nil)
	n, low := 0, 0
	for _, x := range a {
		if x.kind == altThread && x.t == self {
			continue
		}
		if x.kind == altThread && x.t.num < self.num {
			low++
		}
		a[n] = x
		n++
	}
	a = a[:n]
	m.spare = list.Add(m.spare[:0], a[:low])
	list.Copy(a, a[low:])
	list.Copy(a[n-low:], m.spare)
	return a
}

// Yield lets somebody else run if anybody can (irql.Yield, polling loops).
func Yield(k *K) { k.m.yield(k) }

// Livelock is the kind of the finding that a polling loop makes which nobody will ever end. No catalogue has
// a number for it (scheduling.md 9.5).
const Livelock = "livelock"

// idleTurns is how often polling loops go round, with nobody doing more than look, before that is a livelock.
const idleTurns = 10_000

// livelock reports that k, and whoever else polls, waits for what cannot come.
func (m *Machine) livelock(k *K) {
	f := verify.Finding{Kind: Livelock, Obj: k.name, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%s polls for what nobody brings about: %d turns of polling loops in which no "+
			"context did more than look", k.name, idleTurns),
		Text: "No context is left that could change what the loop looks at: each one polls too, waits, or " +
			"has ended, and no timer is set.",
		Fix: "wait for an event or a lock that whoever is to end the wait sets or releases."}
	for _, t := range m.all {
		if why, _, _, ok := t.Waits(); ok {
			f.Blocked = append(f.Blocked, t.name+" waits in "+why)
		}
	}
	Report(k, f)
}
