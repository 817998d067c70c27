package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
)

// newSubject makes what c is about.
func newSubject(k *ke.K, c *classification) subject {
	switch c.info.about {
	case aboutConnect:
		return newConnect(k, c)
	case aboutBind:
		return newBind(c)
	case aboutPacket:
		if m, ok := c.q.Matter.(*tcpip.Carried); ok {
			return newCarried(c, m)
		}
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
	a := answer(d.Action == wfp.Permit, tcpip.Target{Local: s.q.Local, Remote: s.q.Remote})
	a.Absorb = d.Absorb && !a.Permit
	return a
}
