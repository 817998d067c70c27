package irql

import (
	"testing"

	"calloutsim/internal/ke"
)

// Recorder, which builds for the pages of the rules set, is told of every machine.
var Recorder func(t testing.TB, m *ke.Machine)

// recorded lets the recorder, if there is one, see what happens on m.
func recorded(t testing.TB, m *ke.Machine) {
	if Recorder != nil {
		Recorder(t, m)
	}
}
