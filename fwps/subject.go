package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

// subject is what a classification is about: what callouts get as layerData, and what the decision means for
// the transport.
type subject interface {
	// lend gives a call its layerData.
	lend(cl *call) any
	// back takes layerData back when classifyFn has returned: it reports what was done to it, and poisons it.
	back(k *ke.K, cl *call)
	// answer is what the transport hears.
	answer(k *ke.K, d wfp.Decision) tcpip.Answer
	// uses names what else belongs to the classification, in footprints; 0 is nothing.
	uses() trace.ID
	// newest is the filter whose callout made the newest version; 0 while the request is the program's.
	newest() uint64
	// changes tells, for dumps, what the callout of a filter made of the request.
	changes(filter uint64) []string
}

// changeable is a subject whose layerData callouts may change: that of the two redirect layers.
type changeable interface {
	subject
	acquire() loan                          // a copy of the newest version
	apply(k *ke.K, w *writable, seq uint64) // makes the copy the newest version, if it changes anything
}

// newSubject makes what c is about.
func newSubject(k *ke.K, c *classification) subject {
	switch c.info.about {
	case aboutConnect:
		return newConnect(k, c)
	case aboutBind:
		return newBind(c)
	}
	return none{c.q}
}

// none is the subject of layers without layerData.
type none struct{ q *tcpip.Question }

func (none) lend(*call) any          { return nil }
func (none) back(*ke.K, *call)       {}
func (none) uses() trace.ID          { return 0 }
func (none) newest() uint64          { return 0 }
func (none) changes(uint64) []string { return nil }

func (s none) answer(_ *ke.K, d wfp.Decision) tcpip.Answer {
	return answer(d.Action == wfp.Permit, tcpip.Target{Local: s.q.Local, Remote: s.q.Remote})
}

func answer(permit bool, t tcpip.Target) tcpip.Answer {
	a := tcpip.Answer{Permit: permit, Target: t}
	if !permit {
		a.Status = ntstatus.STATUS_ACCESS_DENIED
	}
	return a
}
