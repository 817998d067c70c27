package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

func timer(k *K) *KTIMER {
	tm := &KTIMER{}
	KeInitializeTimer(k, tm)
	return tm
}

func newDpc(k *K, fn func(k *K)) *KDPC {
	d := &KDPC{}
	KeInitializeDpc(k, d, func(k *K, _ *KDPC, _, _, _ any) { fn(k) }, nil)
	return d
}

func nothing(*K) {}

// Rule: OBJ-007
func TestKeSetTimer_NeverInitialised(t *testing.T) {
	trips(t, verify.OBJ_007, func(k *K) { KeSetTimer(k, &KTIMER{}, -ms, nil) })
}

// Rule: OBJ-007
func TestKeInitializeTimer_WhileSet(t *testing.T) {
	f := trips(t, verify.OBJ_007, func(k *K) {
		tm := timer(k)
		KeSetTimer(k, tm, -ms, nil)
		KeInitializeTimer(k, tm)
	})
	assert.Len(t, f.Places, 2)
}

// Rule: OBJ-007
func TestKeInsertQueueDpc_OfASetTimer(t *testing.T) {
	trips(t, verify.OBJ_007, func(k *K) {
		d := newDpc(k, nothing)
		KeSetTimer(k, timer(k), -ms, d)
		KeInsertQueueDpc(k, d, nil, nil)
	})
}

// Rule: OBJ-007
func TestStackGone_TimerSet(t *testing.T) {
	trips(t, verify.OBJ_007, func(k *K) {
		tm := OnStack[KTIMER](k)
		KeInitializeTimer(k, tm)
		KeSetTimer(k, tm, -ms, nil)
	})
}

// Near miss: OBJ-007
func TestKeCancelTimer_BeforeTheMemoryGoes(t *testing.T) {
	clean(t, func(k *K) {
		tm := OnStack[KTIMER](k)
		KeInitializeTimerEx(k, tm, SynchronizationTimer)
		d := newDpc(k, nothing)
		KeSetTimer(k, tm, -ms, d)
		assert.True(t, KeCancelTimer(k, tm))
		KeInsertQueueDpc(k, d, nil, nil) // no timer is set with it now
		KeInitializeTimer(k, tm)
		KeSetTimer(k, tm, -ms, nil)
		wait(k, tm)
	})
}

// Rule: OBJ-008
func TestKeInitializeDpc_WhileQueued(t *testing.T) {
	trips(t, verify.OBJ_008, func(k *K) {
		d := newDpc(k, nothing)
		KeRaiseIrqlToDpcLevel(k)
		KeInsertQueueDpc(k, d, nil, nil)
		KeInitializeDpc(k, d, nil, nil)
	})
}

// Rule: OBJ-008
func TestKeInsertQueueDpc_WithoutRoutineOrOnTheStack(t *testing.T) {
	trips(t, verify.OBJ_008, func(k *K) {
		var d KDPC
		KeInitializeDpc(k, &d, nil, nil)
		KeInsertQueueDpc(k, &d, nil, nil)
	})
	trips(t, verify.OBJ_008, func(k *K) { KeInsertQueueDpc(k, &KDPC{}, nil, nil) })
	trips(t, verify.OBJ_008, func(k *K) {
		d := OnStack[KDPC](k)
		KeInitializeDpc(k, d, func(*K, *KDPC, any, any, any) {}, nil)
		KeInsertQueueDpc(k, d, nil, nil)
	})
}

// Near miss: OBJ-008
func TestKeInsertQueueDpc_AgainFromItsRoutine(t *testing.T) {
	runs := 0
	clean(t, func(k *K) {
		runs = 0
		d := &KDPC{}
		KeInitializeDpc(k, d, func(k *K, dpc *KDPC, context, arg1, arg2 any) {
			assert.Equal(t, []any{"c", 1, 2}, []any{context, arg1, arg2})
			assert.Same(t, d, dpc)
			if runs++; runs == 1 {
				assert.True(t, KeInsertQueueDpc(k, dpc, 1, 2))
			}
		}, "c")
		assert.True(t, KeInsertQueueDpc(k, d, 1, 2))
		KeFlushQueuedDpcs(k)
		KeInitializeDpc(k, d, nil, nil) // idle
	})
	assert.Equal(t, 2, runs)
}

// Rule: OBJ-008
func TestKeInsertQueueDpc_QueuedOneLosesTheArguments(t *testing.T) {
	got := []any{}
	m := play(t, ke.Config{}, func(k *K) { // how many DPCs find the processor free is up to the schedule
		d := &KDPC{}
		KeInitializeDpc(k, d, func(_ *K, _ *KDPC, _, arg1, _ any) { got = append(got, arg1) }, nil)
		KeSetImportanceDpc(k, d, LowImportance)
		KeSetTargetProcessorDpc(k, d, 1)
		assert.True(t, KeInsertQueueDpc(k, d, "first", nil))
		assert.False(t, KeInsertQueueDpc(k, d, "second", nil))
		assert.True(t, KeRemoveQueueDpc(k, d))
		assert.False(t, KeRemoveQueueDpc(k, d))
		assert.True(t, KeInsertQueueDpc(k, d, "third", nil))
		KeFlushQueuedDpcs(k)
	})
	assert.Equal(t, []any{"third"}, got)
	found(t, m, verify.OBJ_008)
	f := trips(t, verify.OBJ_008, func(k *K) { // no DPC of this processor runs before the IRQL is lowered
		a, b := newDpc(k, nothing), newDpc(k, nothing)
		old := KeRaiseIrqlToDpcLevel(k)
		for i, d := range []*KDPC{a, b, a, b, a} { // one place, however many DPCs
			KeInsertQueueDpc(k, d, i, nil)
		}
		KeLowerIrql(k, old)
	})
	assert.Equal(t, verify.Note, f.Severity(), "what the driver does about FALSE cannot be seen")
}

// Near miss: OBJ-008
func TestKeInsertQueueDpc_QueuedOneLosesNothing(t *testing.T) {
	clean(t, func(k *K) {
		list := []int{1} // does not compare
		d := newDpc(k, nothing)
		old := KeRaiseIrqlToDpcLevel(k)
		assert.True(t, KeInsertQueueDpc(k, d, "work", nil))
		assert.False(t, KeInsertQueueDpc(k, d, "work", nil))
		KeLowerIrql(k, old)
		assert.True(t, KeInsertQueueDpc(k, d, list, nil))
	})
}

// Reference: wdk-ddi-src/content/wdm/nf-wdm-kecanceltimer.md
func TestKeCancelTimer_TakesTheQueuedDpcOut(t *testing.T) {
	clean(t, func(k *K) {
		ran := 0
		tm, d := timer(k), newDpc(k, func(*K) { ran++ })
		old := KeRaiseIrqlToDpcLevel(k)
		KeSetTimerEx(k, tm, 0, 10, d) // due at once, then every 10 ms
		assert.True(t, KeReadStateTimer(k, tm))
		assert.True(t, KeCancelTimer(k, tm))
		KeLowerIrql(k, old)
		KeFlushQueuedDpcs(k)
		assert.Zero(t, ran)
		assert.False(t, KeCancelTimer(k, tm))
	})
}

func TestKeSetTimerEx_Periodic(t *testing.T) {
	m := clean(t, func(k *K) {
		ticks := 0
		tm := timer(k)
		d := newDpc(k, func(k *K) {
			ticks++
			assert.Equal(t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
			assert.Equal(t, ke.FrameTimer, ke.Top(k).Kind)
			assert.Equal(t, "test.sys", ke.Acting(k).Name)
		})
		assert.False(t, KeSetTimerEx(k, tm, -ms, 1, d))
		assert.True(t, KeSetTimerEx(k, tm, -ms, 1, d))
		KeDelayExecutionThread(k, KernelMode, false, rel(5*ms+1))
		assert.True(t, KeCancelTimer(k, tm))
		KeFlushQueuedDpcs(k)
		assert.Equal(t, 5, ticks)
	})
	assert.Equal(t, 5*ms+1, m.Uptime())
}

func TestKeSetTimer_SynchronizationTimerFreesOneWaiter(t *testing.T) {
	clean(t, func(k *K) {
		tm := &KTIMER{}
		KeInitializeTimerEx(k, tm, SynchronizationTimer)
		KeSetTimer(k, tm, -ms, nil)
		wait(k, tm)
		assert.False(t, KeReadStateTimer(k, tm))
		s := KeWaitForSingleObject(k, tm, Executive, KernelMode, false, atOnce())
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, s)
	})
}

func TestLeftovers_TimersDpcsThreads(t *testing.T) {
	m := play(t, ke.Config{}, func(k *K) {
		tm := timer(k)
		spawn(k, func(k *K) { wait(k, event(k, NotificationEvent)) })
		KeDelayExecutionThread(k, KernelMode, false, rel(1))
		KeSetTimer(k, tm, -ms, nil)
		d := newDpc(k, nothing)
		old := KeRaiseIrqlToDpcLevel(k)
		KeInsertQueueDpc(k, d, nil, nil)
		var kinds []trace.Kind
		for _, l := range Sim.Leftovers(ke.Of(k), ke.Acting(k)) {
			assert.NotZero(t, l.Seq)
			kinds = append(kinds, l.Kind)
		}
		assert.Equal(t, []trace.Kind{trace.Timer, trace.DPC, trace.Thread}, kinds)
		KeLowerIrql(k, old)
		KeCancelTimer(k, tm)
		assert.Len(t, Sim.Leftovers(ke.Of(k), ke.Acting(k)), 1)
		assert.Empty(t, Sim.Leftovers(ke.Of(k), &ke.Image{}))
	})
	assert.Empty(t, m.Findings())
}

func TestTime_IsVirtual(t *testing.T) {
	clean(t, func(k *K) {
		var before, after, ticks, frequency int64
		KeQuerySystemTime(k, &before)
		KeStallExecutionProcessor(k, 50)
		KeQuerySystemTimePrecise(k, &after)
		assert.Equal(t, int64(500), after-before)
		assert.Equal(t, uint64(500), KeQueryInterruptTime(k))
		assert.Equal(t, uint64(500), KeQueryUnbiasedInterruptTime(k))
		assert.Equal(t, int64(500), KeQueryPerformanceCounter(k, &frequency))
		assert.Equal(t, int64(10_000_000), frequency)
		KeDelayExecutionThread(k, KernelMode, false, rel(100*ms))
		KeQueryTickCount(k, &ticks)
		assert.Equal(t, int64(6), ticks)
		assert.Equal(t, uint32(156250), KeQueryTimeIncrement(k))
		zero := int64(0)
		KeDelayExecutionThread(k, KernelMode, false, &zero)
	})
}
