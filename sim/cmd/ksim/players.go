package main

import (
	"calloutsim/internal/conform/irpvec"
)

// player tells the kinds of records apart by their shape; nil for none that is known.
func (s *shape) player() player {
	switch {
	case s.Setup.Programs != nil:
		return irpvec.Run
	}
	return nil
}
