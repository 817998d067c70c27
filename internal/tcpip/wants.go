package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Wants says where the engine is to be asked: a bit for each station, by family, IPv4 first.
type Wants [2]uint64

// Add says that the engine is to be asked at l.
func (w *Wants) Add(l Layer, v6 bool) { w[family(v6)] |= 1 << l }

// operations is what an engine wants that says nothing else: to be asked about what endpoints do.
var operations = func() (w Wants) {
	for l := BindRedirect; l <= ResourceRelease; l++ {
		w.Add(l, false)
		w.Add(l, true)
	}
	return w
}()

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// SetWants says where the engine is to be asked from now on. The engine keeps it in step with its policy.
func (s *Stack) SetWants(w Wants) { s.wants = w }

// Wants reports whether the engine is to be asked at l. Where nobody filters, this test is all that a station
// costs: no call, no event, no scheduling point.
func (s *Stack) Wants(l Layer, v6 bool) bool {
	if s.engine == nil {
		return false
	}
	s.w.use(StationID(l, v6), ke.R)
	return s.wants[family(v6)]>>l&1 != 0
}

// StationID stands, in footprints, for what is filtered at a station.
func StationID(l Layer, v6 bool) trace.ID {
	return trace.MakeID(trace.Layer, uint64(l)<<1|uint64(family(v6)))
}
