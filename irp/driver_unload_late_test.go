package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// unloadsBeside unloads a driver that has a thread at work while its unload routine runs, which waits for the
// end of the thread.
func unloadsBeside(works, unload func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		drv := l.load("late.sys", nil, func(_ *irql.K, drv *irp.DRIVER_OBJECT,
			_ string) ntstatus.NTSTATUS {
			drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
				done := irp.StackVar[irql.KEVENT](k).Get()
				irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
				l.as(drv.Image(), func(k *irql.K) {
					works(k)
					irql.KeSetEvent(k, done, 0, false)
				})
				waitFor(k, done)
				unload(k)
			}
			return ok
		})
		require.True(l.t, irp.Sim.UnloadDriver(l.m, drv))
		l.rest()
	}
}

// Rule: UNLOAD-010
func TestUNLOAD010_WorkerStillAllocates(t *testing.T) {
	f := trips(t, verify.UNLOAD_010, unloadsBeside(func(k *irql.K) { alloc(k, 8) }, func(*irql.K) {}))
	assert.Equal(t, verify.Warning, f.Severity())
	assert.Equal(t, []verify.RuleID{verify.UNLOAD_001}, f.Also)
	assert.Equal(t, "late.sys is unloaded and leaves, allocated while its unload routine ran, 1 pool "+
		"blocks: 1 x 'Test' (8 bytes)", f.Headline)
}

// Near miss: UNLOAD-010
func TestUNLOAD010_FreedInTime(t *testing.T) {
	var b *irp.Buffer
	passes(t, unloadsBeside(func(k *irql.K) { b = alloc(k, 8) }, func(k *irql.K) { free(k, b) }))
}

// Near miss: UNLOAD-010
func TestUNLOAD010_ForgottenByTheUnloadRoutine(t *testing.T) {
	trips(t, verify.UNLOAD_001, unloadsBeside(func(*irql.K) {}, func(k *irql.K) { alloc(k, 8) }))
}
