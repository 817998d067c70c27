package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
)

// setUp plays a body on machines that run threaded DPCs in a thread, and on others.
func setUp(t *testing.T, body func(k *K, level KIRQL)) {
	t.Helper()
	for alt, level := range []KIRQL{PASSIVE_LEVEL, DISPATCH_LEVEL} {
		for number := range 20 {
			pins := []ke.Pin{{Site: siteThread.Name}, {Site: siteThreadedDPC.Name, Alt: alt}}
			m := play(t, ke.Config{Source: trial.Walk(number), Pins: pins}, func(k *K) { body(k, level) })
			require.Empty(t, m.Findings())
			require.Empty(t, m.Threads())
			m.Close()
		}
	}
}

func TestKeInitializeThreadedDpc_RunsAtEitherLevel(t *testing.T) {
	setUp(t, func(k *K, level KIRQL) {
		d, done, l := &KDPC{}, event(k, NotificationEvent), lock(k)
		KeInitializeThreadedDpc(k, d, func(k *K, dpc *KDPC, context, arg1, arg2 any) {
			assert.Equal(t, level, KeGetCurrentIrql(k))
			assert.Equal(t, []any{"context", 1, 2}, []any{context, arg1, arg2})
			old := KeAcquireSpinLockForDpc(k, l)
			assert.Equal(t, level, old)
			KeReleaseSpinLockForDpc(k, l, old)
			KeSetEvent(k, done, 0, false)
		}, "context")
		assert.True(t, KeInsertQueueDpc(k, d, 1, 2))
		wait(k, done)
		KeFlushQueuedDpcs(k)
		assert.Empty(t, d.Busy())
	})
}

func TestKeFlushQueuedDpcs_WaitsForThreadedDpcs(t *testing.T) {
	setUp(t, func(k *K, _ KIRQL) {
		d, timer, ran := &KDPC{}, &KTIMER{}, 0
		KeInitializeThreadedDpc(k, d, func(*K, *KDPC, any, any, any) { ran++ }, nil)
		KeInitializeTimer(k, timer)
		KeSetTimer(k, timer, -ms, d)
		wait(k, timer)
		KeFlushQueuedDpcs(k)
		assert.Equal(t, 1, ran)
		KeInsertQueueDpc(k, d, nil, nil)
		if KeRemoveQueueDpc(k, d) {
			ran++
		}
		KeFlushQueuedDpcs(k)
		assert.Equal(t, 2, ran, "it ran, or was taken out of its queue")
	})
}

// The ordinary machine is the one that a routine which waits has not reckoned with.
func TestKeInitializeThreadedDpc_RoutineThatWaits(t *testing.T) {
	for alt, want := range []int{0, 1} {
		m := play(t, ke.Config{Pins: []ke.Pin{{Site: siteThreadedDPC.Name, Alt: alt}}}, func(k *K) {
			d := &KDPC{}
			KeInitializeThreadedDpc(k, d, func(k *K, _ *KDPC, _, _, _ any) { sleep(k, ms) }, nil)
			KeInsertQueueDpc(k, d, nil, nil)
			KeFlushQueuedDpcs(k)
		})
		require.Len(t, m.Findings(), want)
		if want == 1 {
			assert.Equal(t, verify.IRQL_011, m.Findings()[0].Rule)
		}
	}
}

// Rule: OBJ-008
func TestKeInitializeThreadedDpc_WhileQueued(t *testing.T) {
	trips(t, verify.OBJ_008, func(k *K) {
		d := &KDPC{}
		KeInitializeThreadedDpc(k, d, func(*K, *KDPC, any, any, any) {}, nil)
		KeRaiseIrqlToDpcLevel(k)
		KeInsertQueueDpc(k, d, nil, nil)
		KeInitializeThreadedDpc(k, d, func(*K, *KDPC, any, any, any) {}, nil)
	})
}
