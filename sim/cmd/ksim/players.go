package main

import (
	"calloutsim/sim/internal/conform/irpvec"
	"calloutsim/sim/internal/conform/kevec"
	"calloutsim/sim/internal/conform/wskvec"
)

// player tells the kinds of records apart by their shape; nil for none that is known.
func (s *shape) player() player {
	switch {
	case s.Setup.Programs != nil:
		return irpvec.Run
	case s.Setup.Ops != nil && s.Certainty == "":
		return kevec.Run
	case s.Setup.Ops != nil:
		return wskvec.Run
	}
	return nil
}
