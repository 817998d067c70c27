package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// resident is what the pool looks for in a block that is freed.
var _ interface {
	Busy() string
	Gone(rule verify.RuleID, seq uint64)
} = (*KEVENT)(nil)

func TestBusy_SaysWhatKeepsTheMemory(t *testing.T) {
	m := play(t, ke.Config{}, func(k *K) {
		e, tm, d, l := event(k, NotificationEvent), timer(k), newDpc(k, nothing), lock(k)
		mu, fm, r := &KMUTEX{}, fast(k), rundown(k)
		KeInitializeMutex(k, mu, 0)
		for _, o := range []interface{ Busy() string }{e, tm, d, l, mu, fm, r} {
			assert.Empty(t, o.Busy())
		}
		KeSetTimer(k, tm, -ms, nil)
		assert.Equal(t, "is set", tm.Busy())
		KeCancelTimer(k, tm)
		wait(k, mu)
		assert.Equal(t, "is owned", mu.Busy())
		KeReleaseMutex(k, mu, false)
		ExAcquireFastMutex(k, fm)
		assert.Equal(t, "is owned", fm.Busy())
		ExReleaseFastMutex(k, fm)
		assert.True(t, ExAcquireRundownProtection(k, r))
		assert.Equal(t, "is in use", r.Busy())
		ExReleaseRundownProtection(k, r)
		old := KeAcquireSpinLockRaiseToDpc(k, l)
		assert.Equal(t, "is held", l.Busy())
		KeReleaseSpinLock(k, l, old)
		old = KeRaiseIrqlToDpcLevel(k)
		KeInsertQueueDpc(k, d, nil, nil)
		assert.Equal(t, "is queued", d.Busy())
		KeLowerIrql(k, old)
		spawn(k, func(k *K) { wait(k, e) })
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
		assert.Equal(t, "has waiters", e.Busy())
	})
	assert.Empty(t, m.Findings())
}

// A block that is freed makes later uses of the objects in it a finding of the pool's rule.
func TestGone_UseIsTheRuleOfTheMemory(t *testing.T) {
	trips(t, verify.POOL_013, func(k *K) {
		e := event(k, NotificationEvent)
		e.Gone(verify.POOL_013, ke.Note(k, "freed", e.ID()))
		KeSetEvent(k, e, 0, false)
	})
	trips(t, verify.POOL_013, func(k *K) { // initialising it again does not bring the memory back
		tm := timer(k)
		tm.Gone(verify.POOL_013, ke.Note(k, "freed", tm.ID()))
		KeInitializeTimer(k, tm)
	})
	trips(t, verify.POOL_013, func(k *K) { // its DPC runs after the block was freed
		d := newDpc(k, nothing)
		old := KeRaiseIrqlToDpcLevel(k)
		KeInsertQueueDpc(k, d, nil, nil)
		d.Gone(verify.POOL_013, ke.Note(k, "freed", d.ID()))
		KeLowerIrql(k, old)
	})
}

func TestStackGone_DpcThatRuns(t *testing.T) {
	trips(t, verify.OBJ_008, func(k *K) {
		d := &KDPC{}
		KeInitializeDpc(k, d, func(k *K, _ *KDPC, _, _, _ any) { d.StackGone(k) }, nil)
		KeInsertQueueDpc(k, d, nil, nil)
	})
}
