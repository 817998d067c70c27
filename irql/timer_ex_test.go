package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// Rule: OBJ-007
func TestExSetTimer_Misused(t *testing.T) {
	trips(t, verify.OBJ_007, func(k *K) {
		ExAllocateTimer(k, nil, nil, EX_TIMER_HIGH_RESOLUTION|EX_TIMER_NO_WAKE)
	})
	trips(t, verify.OBJ_007, func(k *K) {
		ExSetTimer(k, ExAllocateTimer(k, nil, nil, EX_TIMER_HIGH_RESOLUTION), ms, 0, nil)
	})
	trips(t, verify.OBJ_007, func(k *K) {
		ExSetTimer(k, ExAllocateTimer(k, nil, nil, 0), -ms, 0, &EXT_SET_PARAMETERS{NoWakeTolerance: -2})
	})
	trips(t, verify.OBJ_007, func(k *K) { ExCancelTimer(k, nil, nil) })
	trips(t, verify.OBJ_007, func(k *K) {
		ExDeleteTimer(k, ExAllocateTimer(k, nil, nil, 0), false, true, nil)
	})
	f := trips(t, verify.OBJ_007, func(k *K) {
		tm := ExAllocateTimer(k, nil, nil, 0)
		ExDeleteTimer(k, tm, true, false, nil)
		ExSetTimer(k, tm, -ms, 0, nil)
	})
	assert.Len(t, f.Places, 2)
	trips(t, verify.OBJ_007, func(k *K) {
		tm := ExAllocateTimer(k, nil, nil, 0)
		ExDeleteTimer(k, tm, true, false, nil)
		wait(k, tm)
	})
}

// TestExAllocateTimer_AttributesThatDoNotExist: there is no timer, and no stop. The two that exclude each
// other are a bug check; what goes on after it has no timer either.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-exallocatetimer.md, "-parameters"
func TestExAllocateTimer_AttributesThatDoNotExist(t *testing.T) {
	clean(t, func(k *K) {
		for _, bad := range []uint32{1, 2, 0x10, 1 << 30, EX_TIMER_NOTIFICATION | 1} {
			assert.Nil(t, ExAllocateTimer(k, nil, nil, bad), "0x%x", bad)
		}
		for _, good := range []uint32{0, EX_TIMER_HIGH_RESOLUTION, EX_TIMER_NO_WAKE | EX_TIMER_NOTIFICATION} {
			ExDeleteTimer(k, ExAllocateTimer(k, nil, nil, good), true, true, nil)
		}
	})
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		assert.Nil(t, ExAllocateTimer(k, nil, nil, EX_TIMER_HIGH_RESOLUTION|EX_TIMER_NO_WAKE))
	})
	assert.Len(t, m.Findings(), 1)
}

// Rule: IRQL-001
func TestExDeleteTimer_WaitFlagInItsCallback(t *testing.T) {
	trips(t, verify.IRQL_001, func(k *K) {
		tm := ExAllocateTimer(k, func(k *K, tm *EX_TIMER, _ any) {
			ExDeleteTimer(k, tm, true, true, nil)
		}, nil, 0)
		ExSetTimer(k, tm, -ms, 0, nil)
		sleep(k, 2*ms)
	})
}

// Near miss: OBJ-007
func TestExSetTimer_CallbackAndWait(t *testing.T) {
	clean(t, func(k *K) {
		ticks := 0
		var p EXT_SET_PARAMETERS
		ExInitializeSetTimerParameters(k, &p)
		tm := ExAllocateTimer(k, func(k *K, timer *EX_TIMER, context any) {
			ticks++
			assert.Equal(t, "context", context)
			assert.Equal(t, trace.Timer, timer.ID().Kind())
			assert.Equal(t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
			assert.Equal(t, "test.sys", ke.Acting(k).Name)
		}, "context", EX_TIMER_NO_WAKE)
		assert.False(t, ExSetTimer(k, tm, -ms, ms, &p))
		assert.True(t, ExSetTimer(k, tm, -ms, ms, nil))
		wait(k, tm) // a synchronization timer
		s := KeWaitForSingleObject(k, tm, Executive, KernelMode, false, atOnce())
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, s)
		sleep(k, 2*ms+1)
		assert.Len(t, Sim.Leftovers(ke.Of(k), ke.Acting(k)), 1)
		assert.True(t, ExCancelTimer(k, tm, nil))
		assert.False(t, ExCancelTimer(k, tm, nil))
		assert.Equal(t, 3, ticks)
		assert.False(t, ExDeleteTimer(k, tm, true, true, nil), "it was not set")
		assert.Empty(t, Sim.Leftovers(ke.Of(k), ke.Acting(k)))

		all := ExAllocateTimer(k, nil, nil, EX_TIMER_NOTIFICATION)
		ExSetTimer(k, all, -ms, 0, nil)
		wait(k, all)
		wait(k, all)
		ExDeleteTimer(k, all, true, false, nil)
	})
}

// deleting says how timers end: see the comments of ExDeleteTimer.
type deleting struct {
	t    *testing.T
	said string
}

func (d *deleting) parameters(k *K) *EXT_DELETE_PARAMETERS {
	var p EXT_DELETE_PARAMETERS
	ExInitializeDeleteTimerParameters(k, &p)
	p.DeleteCallback = func(k *K, context any) {
		assert.Equal(d.t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
		d.said += context.(string)
	}
	p.DeleteContext = "gone "
	return &p
}

func (d *deleting) timer(k *K) *EX_TIMER {
	return ExAllocateTimer(k, func(*K, *EX_TIMER, any) { d.said += "fired " }, nil, 0)
}

// Reference: windows-driver-docs-pr/kernel/deleting-a-system-allocated-timer-object.md
func TestExDeleteTimer_Ways(t *testing.T) {
	d := &deleting{t: t}
	clean(t, func(k *K) {
		d.said = ""
		tm := d.timer(k) // cancelled in time
		ExSetTimer(k, tm, -ms, 0, nil)
		assert.True(t, ExDeleteTimer(k, tm, true, true, d.parameters(k)))
		assert.Equal(t, "gone ", d.said)

		d.said = ""
		tm = d.timer(k) // left to expire, once more
		ExSetTimer(k, tm, -ms, ms, nil)
		assert.False(t, ExDeleteTimer(k, tm, false, false, d.parameters(k)))
		assert.False(t, ExSetTimer(k, tm, -ms, 0, nil), "it is disabled")
		assert.False(t, ExCancelTimer(k, tm, nil))
		assert.False(t, ExDeleteTimer(k, tm, true, false, nil))
		sleep(k, 5*ms)
		assert.Equal(t, "fired gone ", d.said)

		d.said = ""
		tm = ExAllocateTimer(k, func(k *K, tm *EX_TIMER, _ any) { // in its own callback
			assert.True(t, ExDeleteTimer(k, tm, true, false, d.parameters(k)))
			d.said += "fired "
		}, nil, 0)
		ExSetTimer(k, tm, -ms, ms, nil)
		sleep(k, 5*ms)
		assert.Equal(t, "fired gone ", d.said)

		d.said = ""
		tm = ExAllocateTimer(k, nil, nil, 0) // without callback
		ExSetTimer(k, tm, -ms, 0, nil)
		ExDeleteTimer(k, tm, false, false, d.parameters(k))
		sleep(k, 5*ms)
		assert.Equal(t, "gone ", d.said)
	})
}

// Reference: wdk-ddi-src/content/wdm/nf-wdm-exdeletetimer.md
func TestExDeleteTimer_WaitsForACallbackThatRuns(t *testing.T) {
	d := &deleting{t: t}
	clean(t, func(k *K) {
		d.said = ""
		tm := ExAllocateTimer(k, func(k *K, _ *EX_TIMER, _ any) {
			KeStallExecutionProcessor(k, 50)
			d.said += "fired "
		}, nil, 0)
		old := KeRaiseIrqlToDpcLevel(k) // the callback is due here, and runs on the other processor
		tm.d.Target = 1
		ExSetTimer(k, tm, 0, 0, nil)
		KeLowerIrql(k, old)
		assert.False(t, ExDeleteTimer(k, tm, true, true, d.parameters(k)))
		assert.Equal(t, "fired gone ", d.said)
	})
}

func TestExDeleteTimer_CallbackMayComeLater(t *testing.T) {
	d := &deleting{t: t}
	cfg := ke.Config{Pins: []ke.Pin{{Site: siteDeleteCallback.Name, Alt: 1}}}
	m := play(t, cfg, func(k *K) {
		ExDeleteTimer(k, d.timer(k), true, false, d.parameters(k))
		assert.Empty(t, d.said)
		sleep(k, ms)
		assert.Equal(t, "gone ", d.said)
	})
	assert.Empty(t, m.Findings())
	m = play(t, ke.Config{Pins: []ke.Pin{{Site: siteAllocateTimer.Name, Alt: 1}}}, func(k *K) {
		assert.Nil(t, ExAllocateTimer(k, nil, nil, 0))
	})
	assert.Empty(t, m.Findings())
}

// Reference: wdk-ddi-src/content/wdm/nf-wdm-kesetcoalescabletimer.md
func TestKeSetCoalescableTimer_MayBeLate(t *testing.T) {
	for late := range 2 {
		cfg := ke.Config{Pins: []ke.Pin{{Site: siteCoalesce.Name, Alt: late}}}
		m := play(t, cfg, func(k *K) {
			tm := timer(k)
			assert.False(t, KeSetCoalescableTimer(k, tm, -ms, 0, 5, nil))
			wait(k, tm)
			assert.True(t, KeReadStateTimer(k, tm))
		})
		assert.Empty(t, m.Findings())
		assert.Equal(t, ms+5*ms*int64(late), m.Uptime())
	}
}

// Rule: OBJ-007
func TestKeSetTimer_OneDpcForTwoTimers(t *testing.T) {
	f := trips(t, verify.OBJ_007, func(k *K) {
		d, one, two := newDpc(k, nothing), timer(k), timer(k)
		KeSetTimer(k, one, -ms, d)
		KeSetTimer(k, two, -2*ms, d)
		sleep(k, 3*ms)
	})
	assert.Equal(t, verify.Note, f.Severity())
}

// Near miss: OBJ-007
func TestKeSetTimer_OneDpcForOneTimerAfterAnother(t *testing.T) {
	clean(t, func(k *K) {
		d, one, two := newDpc(k, nothing), timer(k), timer(k)
		KeSetTimer(k, one, -ms, d)
		KeSetTimer(k, one, -2*ms, d)
		sleep(k, 3*ms)
		KeSetTimer(k, two, -ms, d)
		sleep(k, 3*ms)
	})
}
