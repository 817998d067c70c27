package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	`\(\*starter\)\.DriverEntry started it with go, at stranger_test\.go:20: a driver starts no goroutines`

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
