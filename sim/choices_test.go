package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

func TestReport_NamesTheFailureThatMatters(t *testing.T) {
	r := collected(t, ExploreOptions{Strategy: "faults1"}, loads(leaky{leaks: true}))
	require.Len(t, r.Failures, 1)
	t.Log(r.Failures[0].Report)
	assert.Regexp(t, `(?m)^CHOICES:        #\d+ ExAllocatePool2 failed, campaign_faults_test.go:\d+$`,
		r.Failures[0].Report)
	assert.NotContains(t, r.Failures[0].Report, "sched/")
}

// fragile forgets that the system may have no IRP for it.
func fragile(m *Machine) {
	m.Thread("fragile.sys", func(k *irql.K) {
		p := irp.IoAllocateIrp(k, 1, false)
		if p == nil {
			m.Fatalf("no request")
		}
		irp.IoFreeIrp(k, p)
	})
	m.Run()
}

// A failed assertion and a panic are reported with what led to them, as a broken rule is.
func TestReport_NamesTheFailureBehindAnAssertion(t *testing.T) {
	r := collected(t, ExploreOptions{Strategy: "faults1"}, fragile)
	require.Len(t, r.Failures, 1)
	assert.Regexp(t, `(?m)^CHOICES:        #\d+ IoAllocateIrp returned NULL, choices_test.go:\d+$`,
		r.Failures[0].Report)
	r = collected(t, ExploreOptions{Strategy: "faults1"}, func(m *Machine) {
		m.Thread("fragile.sys", func(k *irql.K) {
			if irp.IoAllocateIrp(k, 1, false) == nil {
				panic("no request")
			}
		})
		m.Run()
	})
	require.Len(t, r.Failures, 1)
	assert.Regexp(t, `(?m)^CHOICES:        #\d+ IoAllocateIrp returned NULL, choices_test.go:\d+$`,
		r.Failures[0].Report)
}

func TestReport_NamesAnswersOfWindows(t *testing.T) {
	length := &ke.Site{Name: "env/WskTest/length", Alts: []string{"longest", "one byte"}}
	numbered := &ke.Site{Name: "env/Test/order"}
	pins := []Pin{{length.Name, "one byte"}, {numbered.Name, "3"}, {testFault.Name, "1"}}
	out := attempt(t, Options{Pins: pins},
		func(m *Machine) {
			m.Thread("odd.sys", func(k *irql.K) {
				ke.Choose(k, length, 2)
				ke.Choose(k, numbered, 5)
				ke.Choose(k, testFault, 2)
				ke.Choose(k, testAnswer, 2)
				irp.ExFreePoolWithTag(k, nil, 0)
			})
			m.Run()
		})
	require.Len(t, out.Messages, 1)
	assert.Regexp(t, `(?m)^CHOICES:        #\d+ WskTest length: one byte, choices_test.go:\d+ \(pinned\)
                #\d+ Test order: alternative 3, choices_test.go:\d+ \(pinned\)
                #\d+ Test failed, choices_test.go:\d+ \(pinned\)
LIKELY_FIX:`, out.Messages[0])
}
