package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
)

var state = ke.NewSlot(newEngine)

func newEngine(m *ke.Machine) *engine {
	d := new(wfp.Policy).Draft()
	d.AddSublayer(&wfp.Sublayer{Key: universal, Name: "universal", Weight: universalWeight,
		Origin: wfp.Origin{Builtin: true}})
	e := &engine{m: m, id: m.NewID(trace.Engine), policy: d.Commit(), nextCallout: firstCallout,
		nextFilter: firstFilter}
	m.Refine = append(m.Refine, e.refine)
	m.Takes = e.takes
	m.AtUnload(e.checkUnload)
	m.AtEnd(e.checkEnd)
	m.AtRest(e.listLeft)
	m.CouldAct(e.couldAct)
	t := tcpip.On(m)
	t.SetEngine(e)
	t.SetWants(tcpip.Wants{})
	return e
}

// EngineOf returns the filter engine of a machine as the transport sees it.
func (sim) EngineOf(m *ke.Machine) interface {
	tcpip.Engine
	tcpip.Redirector
} {
	return state.On(m)
}
