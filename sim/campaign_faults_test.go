package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// leaky has two blocks and a device. leaks is what its DriverEntry forgets when the second block is missing.
type leaky struct {
	leaks bool
	pairs bool // goes on without the second block, and without a device forgets the first
	dev   *irp.DEVICE_OBJECT
	one   *irp.Buffer
	two   *irp.Buffer
}

func (d *leaky) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	d.one = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, irp.Tag("one"))
	if d.one == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	d.two = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, irp.Tag("two"))
	if d.two == nil && !d.pairs {
		if !d.leaks {
			irp.ExFreePoolWithTag(k, d.one, 0)
		}
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s := irp.IoCreateDevice(k, drv, 0, "", 0, 0, false, &d.dev); s != ntstatus.STATUS_SUCCESS {
		if d.two != nil {
			irp.ExFreePoolWithTag(k, d.one, 0)
			irp.ExFreePoolWithTag(k, d.two, 0)
		}
		return s // without the second block, the first one is forgotten
	}
	return ntstatus.STATUS_SUCCESS
}

func (d *leaky) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDeleteDevice(k, d.dev)
	irp.ExFreePoolWithTag(k, d.one, 0)
	if d.two != nil {
		irp.ExFreePoolWithTag(k, d.two, 0)
	}
}

func loads(d leaky) func(m *Machine) {
	return func(m *Machine) {
		one := d
		if _, s := m.LoadStatus("leaky.sys", one.entry); ntstatus.NT_SUCCESS(s) && !m.Ended() {
			m.Unload("leaky.sys")
		}
	}
}

func TestFaults_LeakOnAnErrorPathIsFound(t *testing.T) {
	for _, workers := range []int{1, 2} {
		r := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: "faults1",
			Workers: workers}, loads(leaky{leaks: true}))
		require.Len(t, r.Failures, 1)
		f := r.Failures[0]
		assert.Equal(t, uint64(3), f.Run, "run 1 is the boring one, run 3 is short of the second block")
		assert.Equal(t, []string{"UNLOAD-001"}, f.Rules)
		assert.True(t, f.Repeats)
		assert.False(t, r.Complete)
		assert.Contains(t, f.Report, "run 3 failed: ", "there is no number of runs to name")
	}
}

func TestFaults_CleanDriverIsCovered(t *testing.T) {
	r := Explore(t, ExploreOptions{Strategy: "faults1"}, loads(leaky{}))
	assert.Equal(t, "complete: all 3 single faults", r.Faults)
	assert.True(t, r.Complete)
	assert.Equal(t, 4, r.Runs)
	r = Explore(t, ExploreOptions{Strategy: "faults1", Runs: 2}, loads(leaky{}))
	assert.Equal(t, "incomplete (budget): 1 of 3 single faults", r.Faults)
}

func TestFaults_PairIsFoundWhereSingleFaultsAreHandled(t *testing.T) {
	r := Explore(t, ExploreOptions{Strategy: "faults1"}, loads(leaky{pairs: true}))
	assert.Equal(t, "complete: all 3 single faults", r.Faults)
	for _, workers := range []int{1, 3} {
		r = Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: "faults2", KeepGoing: true,
			Workers: workers}, loads(leaky{pairs: true}))
		assert.Equal(t, "complete: all 3 single faults and the only pair", r.Faults)
		require.Len(t, r.Failures, 1)
		assert.Equal(t, uint64(5), r.Failures[0].Run)
		assert.Equal(t, 5, r.Runs)
	}
}

func TestFaults_OneRunByItsNumber(t *testing.T) {
	r := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: "faults2", Seed0: 5, Runs: 1},
		loads(leaky{pairs: true}))
	require.Len(t, r.Failures, 1)
	assert.Equal(t, uint64(5), r.Failures[0].Run)
}

func TestFaults_PortfolioLetsEverythingFailOnce(t *testing.T) {
	r := Explore(t, ExploreOptions{Options: Options{Collect: true}, Runs: 9}, loads(leaky{leaks: true}))
	require.Len(t, r.Failures, 1)
	assert.Equal(t, uint64(3), r.Failures[0].Run)
	r = Explore(t, ExploreOptions{Runs: 9}, loads(leaky{}))
	assert.Equal(t, "complete: all 3 single faults", r.Faults)
	assert.Equal(t, 9, r.Runs)
}
