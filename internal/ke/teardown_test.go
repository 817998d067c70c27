package ke

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/verify"
)

func goroutines(t *testing.T) func() {
	t.Helper()
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		for range 100 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond) // race builds: a goroutine that has ended may still be counted
		}
		t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
	}
}

// stubborn is a driver that does what it can not to be unwound.
func stubborn(k *K, o *Object) {
	defer Enter(k, ddi.KeSetEvent)
	defer func() {
		defer Enter(k, ddi.KeSetEvent)
		recover()
	}()
	defer func() { recover() }()
	Wait(k, []*Object{o}, false, nil, "test")
}

// Reference: scheduling.md 17 (Teardown).
func TestClose_AbandonedRunsLeaveNothing(t *testing.T) {
	check := goroutines(t)
	m := New(Config{})
	for range 300 {
		m.Reset(Config{})
		o := object(NotificationEvent, 0)
		for range 3 {
			m.NewThread("waiter", nil, func(k *K) { stubborn(k, o) })
		}
		m.NewThread("never started", nil, func(k *K) { Point(k, Unknown) })
		m.Run(func() bool { return o.Waiters() == 2 })
	}
	m.Close()
	check()
}

func TestClose_ViolationsInNestedCallsLeaveNothing(t *testing.T) {
	check := goroutines(t)
	m := New(Config{})
	for range 100 {
		m.Reset(Config{})
		m.NewThread("a", nil, func(k *K) {
			QueueDPC(k, &DPC{Target: -1, Importance: MediumImportance, Run: func(k *K) {
				defer func() { recover() }()
				Report(k, verify.Finding{Rule: verify.IRP_001})
			}})
		})
		m.NewThread("b", nil, func(k *K) { Sleep(k, -Second) })
		m.Run(nil)
		require.Len(t, m.Findings(), 1)
	}
	m.Close()
	check()
}

func TestClose_MachineCanBeUsedAgain(t *testing.T) {
	m := newMachine(t, Config{})
	m.Close()
	m.Reset(Config{})
	n := 0
	m.NewThread("a", nil, func(k *K) { n++ })
	m.Run(nil)
	assert.Equal(t, 1, n)
}

func TestRun_DriverPanicSurfacesOnce(t *testing.T) {
	check := goroutines(t)
	m := New(Config{})
	m.NewThread("other", nil, func(k *K) { Sleep(k, -Second) })
	m.NewThread("bad", nil, func(k *K) {
		var p *int
		*p = 1
	})
	func() {
		defer func() {
			p, ok := recover().(DriverPanic)
			require.True(t, ok)
			assert.Equal(t, "bad", p.Ctx)
			require.NotEmpty(t, p.Stack)
			assert.Equal(t, "teardown_test.go", p.Stack[0].File)
		}()
		m.Run(nil)
	}()
	assert.True(t, m.Dead())
	m.Close()
	check()
}

func TestRun_GoexitInAContextEndsTheCaller(t *testing.T) {
	check := goroutines(t)
	m := New(Config{})
	returned := false
	done := make(chan bool)
	go func() {
		defer close(done)
		m.NewThread("test", nil, func(k *K) { runtime.Goexit() }) // what t.FailNow does
		m.Run(nil)
		returned = true
	}()
	<-done
	assert.False(t, returned)
	m.Close()
	check()
}

func TestPoint_AndSwitchAllocateNothing(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector allocates")
	}
	m := newMachine(t, Config{Source: flip{}, Events: 64, MaxSteps: 1 << 60})
	turns := 0
	stop := false
	loop := func(k *K) {
		for !stop {
			turns++
			Point(k, Unknown)
			m.choices = m.choices[:0]
		}
	}
	m.NewThread("a", nil, loop)
	m.NewThread("b", nil, loop)
	step := func() {
		until := turns + 100
		m.Run(func() bool { return turns >= until })
	}
	step()
	assert.Zero(t, testing.AllocsPerRun(20, step)-testing.AllocsPerRun(20, func() {
		until := turns
		m.Run(func() bool { return turns >= until })
	}))
	stop = true
	m.Run(nil)
}

func TestSetSignal_AndWaitAllocateNothing(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector allocates")
	}
	m := newMachine(t, Config{Events: 64, MaxSteps: 1 << 60})
	ping, pong := object(SynchronizationEvent, 0), object(SynchronizationEvent, 0)
	rounds := 0
	a, b := []*Object{ping}, []*Object{pong}
	m.NewThread("a", nil, func(k *K) {
		for {
			rounds++
			SetSignal(k, ping, 1)
			Wait(k, b, false, nil, "test")
			m.choices = m.choices[:0]
		}
	})
	m.NewThread("b", nil, func(k *K) {
		for {
			Wait(k, a, false, nil, "test")
			SetSignal(k, pong, 1)
		}
	})
	until := 0
	done := func() bool { return rounds >= until }
	step := func() {
		until = rounds + 100
		m.Run(done)
	}
	step()
	assert.Zero(t, testing.AllocsPerRun(20, step))
}
