package sim

import (
	"bytes"

	"calloutsim/internal/ke"
)

// Observer writes reports about a mechanism that no Machine drives: the tests of the packages below the
// harness run theirs themselves, and the pages of the rules show what they find.
type Observer struct{ m *Machine }

// Observe adds to the findings of k from now on what a Machine adds to its own.
func Observe(k *ke.Machine) *Observer {
	m := &Machine{ke: k}
	k.Describe = m.illustrate
	return &Observer{m}
}

// Report gives the report of one finding of the mechanism. It has no line that repeats the run: how its test
// runs it is not known here.
func (o *Observer) Report(f Finding) string {
	var b bytes.Buffer
	o.m.writeFinding(&b, f)
	return b.String()
}

// prints puts what a driver prints for a debugger into the log of the test.
func (m *Machine) prints(k *ke.K, text string) {
	name := "system"
	if img := ke.Acting(k); img != nil {
		name = img.Name
	}
	m.tb.Logf("%s: %s", name, text)
}
