package sim

import (
	"iter"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// starter starts a goroutine in its DriverEntry, which uses the K when it is told to.
type starter struct{ begin, ended chan struct{} }

func (d *starter) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	d.begin, d.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(d.ended)
		<-d.begin
		var dev *irp.DEVICE_OBJECT
		irp.IoCreateDevice(k, drv, 0, `\Device\G`, irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
	}()
	return ntstatus.STATUS_SUCCESS
}

const namesStranger = `^sim: a goroutine calls IoCreateDevice with the K of "DriverEntry of g\.sys"\. ` +
	`\(\*starter\)\.DriverEntry started it with go, at stranger_test\.go:\d+: a driver starts no goroutines`

// A goroutine of a driver is named, and does not take the process with it.
func TestStranger_IsNamedAndEnds(t *testing.T) {
	scenario := func(after func(*Machine)) func(*Machine) {
		return func(m *Machine) {
			d := &starter{}
			m.Load("g.sys", d.DriverEntry)
			close(d.begin)
			<-d.ended
			after(m)
		}
	}
	for name, after := range map[string]func(*Machine){
		"at the end":       func(*Machine) {},
		"in the next part": func(m *Machine) { m.Unload("g.sys") },
	} {
		out := attempt(t, Options{}, scenario(after))
		require.Len(t, out.Messages, 1, name)
		assert.Regexp(t, namesStranger, out.Messages[0], name)
	}
	r, _ := tried(t, ExploreOptions{Runs: 3}, scenario(func(*Machine) {}))
	require.Len(t, r.Failures, 1)
	assert.Regexp(t, namesStranger, r.Failures[0].Headline)
}

// startsAndWaits starts a goroutine that uses the K while the callback that got it still runs.
func startsAndWaits(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var dev *irp.DEVICE_OBJECT
		irp.IoCreateDevice(k, drv, 0, `\Device\I`, irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
	}()
	<-ended
	return ntstatus.STATUS_SUCCESS
}

// That its own callback has not returned makes a goroutine no context.
func TestStranger_WhileItsCallbackRuns(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" || ke.GoRaces {
		t.Skip("goroutines are not told apart on this processor")
	}
	out := attempt(t, Options{}, func(m *Machine) { m.Load("i.sys", startsAndWaits) })
	require.Len(t, out.Messages, 1)
	assert.Regexp(t, `^sim: a goroutine calls IoCreateDevice with the K of "DriverEntry of i\.sys"\. `+
		`startsAndWaits started it with go, at stranger_test\.go:\d+: a driver starts no goroutines`,
		out.Messages[0])
}

// A coroutine that a driver makes of a function of its own runs for the context that resumes it.
func TestStranger_CoroutineIsNone(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		m.Load("c.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			next, stop := iter.Pull(func(yield func(irql.KIRQL) bool) { yield(irql.KeGetCurrentIrql(k)) })
			defer stop()
			level, _ := next()
			assert.Equal(t, irql.KIRQL(irql.PASSIVE_LEVEL), level)
			drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
			return ntstatus.STATUS_SUCCESS
		})
	})
	assert.Empty(t, out.Messages)
}
