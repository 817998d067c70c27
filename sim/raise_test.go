package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// raising allocates memory that has to be there.
func raising(k *irql.K) {
	const flags = irp.POOL_FLAG_NON_PAGED | irp.POOL_FLAG_RAISE_ON_FAILURE
	irp.ExFreePoolWithTag(k, irp.ExAllocatePool2(k, flags, 16, irp.Tag("Rais")), irp.Tag("Rais"))
	irp.Free(k, irp.New[int](k, flags, irp.Tag("Rais")), irp.Tag("Rais"))
}

// What sampled is not complete, whatever it found.
func TestComplete_SamplingNever(t *testing.T) {
	r := Explore(t, ExploreOptions{Runs: 50}, func(m *Machine) {
		for range 2 {
			m.Thread("a.sys", raising)
		}
		m.Run()
	})
	assert.False(t, r.Complete, "%s", r.Covered)
	assert.Greater(t, r.Traces, 1)
}

// Memory that code of the test asks for with an exception does not run short, but that of a driver does.
func TestFaults_AllocationsThatRaise(t *testing.T) {
	threads := func(m *Machine) { m.Thread("a.sys", raising); m.Run() }
	assert.Empty(t, collected(t, ExploreOptions{Strategy: "faults1"}, threads).Failures)
	o := ExploreOptions{Runs: 1}
	o.Pins = []Pin{{"fault/ExAllocatePool2", "fails"}}
	require.Len(t, collected(t, o, threads).Failures, 1, "a pin makes it raise")
	r := collected(t, ExploreOptions{Strategy: "faults1"}, func(m *Machine) {
		m.LoadStatus("b.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			raising(k)
			drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
			return ntstatus.STATUS_SUCCESS
		})
	})
	require.Len(t, r.Failures, 1)
	assert.Contains(t, r.Failures[0].Report, "ExAllocatePool2 raised")
}
