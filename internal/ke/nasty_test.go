package ke

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/ntstatus"
)

// Drivers that do what they should not, and what the machine must not let them do to it.

func caught(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

// TestDPC_PanicDoesNotReachTheInterruptedThread, which might recover from it and go on with a processor that
// is still in the DPC.
func TestDPC_PanicDoesNotReachTheInterruptedThread(t *testing.T) {
	check := goroutines(t)
	m := New(Config{})
	swallowed := false
	m.NewThread("victim", nil, func(k *K) {
		defer func() { swallowed = recover() != nil }()
		QueueDPC(k, &DPC{Target: -1, Importance: MediumImportance, Run: func(*K) {
			var p *int
			*p = 1
		}})
	})
	p, ok := caught(func() { m.Run(nil) }).(DriverPanic)
	require.True(t, ok)
	assert.False(t, swallowed)
	assert.Equal(t, "DPC on processor 0", p.Ctx)
	require.NotEmpty(t, p.Stack)
	assert.Equal(t, "nasty_test.go", p.Stack[0].File)
	m.Close()
	check()
}

// TestPoint_StepLimitEndsADriverThatRecovers from everything for ever.
func TestPoint_StepLimitEndsADriverThatRecovers(t *testing.T) {
	for _, act := range []func(k *K){func(k *K) { Point(k, Unknown) }, Yield} {
		m := newMachine(t, Config{MaxSteps: 100})
		turns := 0
		m.NewThread("stubborn", nil, func(k *K) {
			for turns < 100_000 {
				func() {
					defer func() { recover() }()
					turns++
					act(k)
				}()
			}
		})
		v, ok := caught(func() { m.Run(nil) }).(Misuse)
		require.True(t, ok)
		assert.Contains(t, string(v), "step limit reached (100")
		assert.Less(t, turns, 110)
	}
}

// TestYield_TimeLimitIsNotLostWhenTheDriverRecovers: it is Run's result even if the thread ends normally.
func TestYield_TimeLimitIsNotLostWhenTheDriverRecovers(t *testing.T) {
	m := newMachine(t, Config{MaxTime: Second})
	m.NewThread("poller", nil, func(k *K) {
		SetTimer(k, &Timer{}, -2*Second, 0, nil)
		defer func() { recover() }()
		Yield(k)
	})
	v, ok := caught(func() { m.Run(nil) }).(Misuse)
	require.True(t, ok)
	assert.Contains(t, string(v), "time limit reached")
}

// TestClose_FromInsideIsMisuse: the run would end without a word otherwise.
func TestClose_FromInsideIsMisuse(t *testing.T) {
	for _, end := range []func(m *Machine){(*Machine).Close, func(m *Machine) { m.Reset(Config{}) }} {
		m := newMachine(t, Config{})
		m.NewThread("a", nil, func(*K) { end(m) })
		v, ok := caught(func() { m.Run(nil) }).(Misuse)
		require.True(t, ok)
		assert.Contains(t, string(v), "called from inside the machine")
	}
}

// TestReset_AfterGoexitInADPC: t.FailNow in a DPC leaves a machine that can be used again.
func TestReset_AfterGoexitInADPC(t *testing.T) {
	check := goroutines(t)
	m := New(Config{})
	done := make(chan bool)
	go func() {
		defer close(done)
		m.NewThread("interrupted", nil, func(k *K) {
			QueueDPC(k, &DPC{Target: -1, Importance: MediumImportance, Run: func(*K) { runtime.Goexit() }})
		})
		m.Run(nil)
	}()
	<-done
	m.Reset(Config{})
	ran := false
	m.NewThread("next", nil, func(*K) { ran = true })
	m.Run(nil)
	assert.True(t, ran)
	m.Close()
	check()
}

// TestWait_LongestTimeoutIsNotThePast: MinInt64 means as long as the clock goes.
func TestWait_LongestTimeoutIsNotThePast(t *testing.T) {
	m := newMachine(t, Config{})
	o := object(NotificationEvent, 0)
	due, got := int64(math.MinInt64), ntstatus.NTSTATUS(0xFFFFFFFF)
	m.NewThread("waiter", nil, func(k *K) { got = Wait(k, []*Object{o}, false, &due, "test") })
	m.NewThread("signaller", nil, func(k *K) { SetSignal(k, o, 1) })
	m.Run(nil)
	assert.Equal(t, ntstatus.STATUS_SUCCESS, got)
}
