package ke

import (
	"fmt"

	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// looks has a bit for each kind of access that, again and again and alone, is a polling loop: what is only
// looked at, and locks taken and given back around that.
const looks = 1<<R | 1<<Try | 1<<Waits | 1<<Acq | 1<<Rel

// spinTurns is after how many points at which a context has only looked it is taken to be in a polling loop.
// Another processor would get its turn meanwhile; so whoever else can run does. An exhaustive search goes
// through all orders of the turns before (fairness; scheduling.md 8.2).
const spinTurns = 100

// acts notes that k does more than look. The last step may turn out to have changed nothing (Idled).
func (k *K) acts(m *Machine) {
	k.idled, k.idles = k.idles, 0
	m.was = acted{m.idle, m.acted}
	m.idle, m.acted = 0, m.steps
}

// spins reports whether k, before it does something to an object, is in a polling loop. It gives back its
// locks first. An atomic operation may have been the look of the turns before.
func (k *K) spins(u Use) bool {
	return k.idles >= spinTurns && u.How != Rel
}

// Acts says that k does more than look, where no scheduling point tells.
func Acts(k *K) { k.acts(k.m) }

// Idled takes back that the last step of k acts: it has found the variable as it was and left it so.
func Idled(k *K) {
	m := k.m
	k.idles, m.idle, m.acted = k.idled+1, m.was.idle, m.was.at
}

// Looked says that k looks at something in a routine that has no scheduling point.
func Looked(k *K) {
	if k.idles++; k.idles >= spinTurns {
		k.m.yield(k)
	}
}

// yield lets somebody else run if anybody can; it reports whether somebody did.
func (m *Machine) yield(k *K) bool {
	m.steps++
	if m.steps >= m.cfg.MaxSteps {
		m.pointSlow(k)
	}
	CheckFunctions(k)
	if m.idle++; m.idle == idleTurns && m.steps-m.acted > idleTurns {
		m.livelock(k, idleTurns)
	}
	a := m.others(k.t)
	if len(a) == 0 {
		// Only time can change what a polling loop looks at.
		if !m.advance() {
			return false
		}
		if a = m.others(k.t); len(a) == 0 {
			return false
		}
	}
	k.t.active = k
	if m.next = m.ask(a, k.t, true); m.next == nil {
		m.leave()
	}
	m.park(k)
	return true
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
func (m *Machine) livelock(k *K, turns uint64) {
	f := verify.Finding{Kind: Livelock, Obj: k.name, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%s polls for what nobody brings about: %d turns of polling loops in which no "+
			"context did more than look", k.name, turns),
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
