package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
)

// onMachines plays a body under twenty schedules of machines with one to four processors.
func onMachines(t *testing.T, body func(k *K)) {
	t.Helper()
	for processors := 1; processors <= 4; processors++ {
		for number := range 20 {
			m := play(t, ke.Config{Processors: processors, Source: trial.Walk(number)}, body)
			require.Empty(t, m.Findings())
			require.Empty(t, m.Threads())
			m.Close()
		}
	}
}

func TestKeGenericCallDpc_RunsOnEveryProcessor(t *testing.T) {
	onMachines(t, func(k *K) {
		n := KeQueryActiveProcessorCount(k, nil)
		ran := make([]int, n)
		KeGenericCallDpc(k, func(k *K, _ *KDPC, context, done, _ any) {
			assert.Equal(t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
			assert.Equal(t, "context", context)
			ran[KeGetCurrentProcessorNumber(k)]++
			KeSignalCallDpcDone(k, done)
		}, "context")
		for _, times := range ran {
			assert.Equal(t, 1, times)
		}
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
	})
}

// Nobody passes the barrier before all have come, and it can be used again.
func TestKeSignalCallDpcSynchronize_IsABarrier(t *testing.T) {
	onMachines(t, func(k *K) {
		n := int32(KeQueryActiveProcessorCount(k, nil))
		var before, after, last int32
		KeGenericCallDpc(k, func(k *K, _ *KDPC, _, done, barrier any) {
			InterlockedIncrement(k, &before)
			if KeSignalCallDpcSynchronize(k, barrier) {
				InterlockedIncrement(k, &last)
			}
			assert.Equal(t, n, before)
			InterlockedIncrement(k, &after)
			KeSignalCallDpcSynchronize(k, barrier)
			assert.Equal(t, n, after)
			KeSignalCallDpcDone(k, done)
		}, nil)
		assert.Equal(t, int32(1), last, "TRUE on one processor")
	})
}

func TestKeGenericCallDpc_OneAtATime(t *testing.T) {
	clean(t, func(k *K) {
		var inside Var[int32]
		call := func(k *K) {
			KeGenericCallDpc(k, func(k *K, _ *KDPC, _, done, barrier any) {
				if KeSignalCallDpcSynchronize(k, barrier) {
					assert.Equal(t, int32(0), inside.Swap(k, 1))
				}
				KeSignalCallDpcSynchronize(k, barrier)
				inside.Store(k, 0)
				KeSignalCallDpcDone(k, done)
			}, nil)
		}
		other := spawn(k, call)
		call(k)
		wait(k, other)
	})
}

// Rule: OBJ-008
func TestKeSignalCallDpcDone_ForgottenOrTwice(t *testing.T) {
	trips(t, verify.OBJ_008, func(k *K) {
		KeGenericCallDpc(k, func(*K, *KDPC, any, any, any) {}, nil)
	})
	trips(t, verify.OBJ_008, func(k *K) {
		KeGenericCallDpc(k, func(k *K, _ *KDPC, _, done, _ any) {
			KeSignalCallDpcDone(k, done)
			KeSignalCallDpcDone(k, done)
		}, nil)
	})
}

// Rule: IRQL-001
func TestKeGenericCallDpc_AtDispatchLevel(t *testing.T) {
	trips(t, verify.IRQL_001, func(k *K) {
		KeRaiseIrqlToDpcLevel(k)
		KeGenericCallDpc(k, func(*K, *KDPC, any, any, any) {}, nil)
	})
}

// Rule: LOCK-026
func TestKeSignalCallDpcSynchronize_NotOnAllProcessors(t *testing.T) {
	trips(t, verify.LOCK_026, func(k *K) {
		first := true
		KeGenericCallDpc(k, func(k *K, _ *KDPC, _, done, barrier any) {
			if first {
				first = false
				KeSignalCallDpcSynchronize(k, barrier)
			}
			KeSignalCallDpcDone(k, done)
		}, nil)
	})
}
