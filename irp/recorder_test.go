package irp_test

import (
	"testing"

	"calloutsim/internal/ke"
)

// recorder, which builds for the pages of the rules set, is told of every machine.
var recorder func(t testing.TB, m *ke.Machine)

// recorded lets the recorder, if there is one, see what happens on m.
func recorded(t testing.TB, m *ke.Machine) {
	if recorder != nil {
		recorder(t, m)
	}
}
