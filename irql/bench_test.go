package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
)

// alone runs body in a machine with one thread.
func alone(tb testing.TB, body func(k *K)) {
	m := ke.New(ke.Config{MaxSteps: 1 << 62})
	tb.Cleanup(m.Close)
	m.NewThread("driver", nil, body)
	m.Run(nil)
}

func pair(k *K, e *KEVENT) {
	KeSetEvent(k, e, 0, false)
	KeWaitForSingleObject(k, e, Executive, KernelMode, false, nil)
}

// BenchmarkSetEventWait is a set and a satisfied wait by one thread: two DDIs, no switch.
func BenchmarkSetEventWait(b *testing.B) {
	b.ReportAllocs()
	alone(b, func(k *K) {
		e := event(k, SynchronizationEvent)
		for b.Loop() {
			pair(k, e)
		}
	})
}

// BenchmarkSpinLock is an acquisition and its release.
func BenchmarkSpinLock(b *testing.B) {
	b.ReportAllocs()
	alone(b, func(k *K) {
		l := lock(k)
		for b.Loop() {
			KeReleaseSpinLock(k, l, KeAcquireSpinLockRaiseToDpc(k, l))
		}
	})
}

// BenchmarkInsertQueueDpc is a DPC queued and run.
func BenchmarkInsertQueueDpc(b *testing.B) {
	b.ReportAllocs()
	alone(b, func(k *K) {
		d := newDpc(k, nothing)
		for b.Loop() {
			KeInsertQueueDpc(k, d, nil, nil)
		}
	})
}

func TestDDIs_AllocateNothing(t *testing.T) {
	if ke.GoRaces {
		t.Skip("what Go's race detector is told costs memory")
	}
	alone(t, func(k *K) {
		e, l, d, m := event(k, SynchronizationEvent), lock(k), newDpc(k, nothing), &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		var v Var[int32]
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			pair(k, e)
			KeReleaseSpinLock(k, l, KeAcquireSpinLockRaiseToDpc(k, l))
			KeInsertQueueDpc(k, d, nil, nil)
			wait(k, m)
			KeReleaseMutex(k, m, false)
			InterlockedIncrement(k, &v)
			v.Store(k, v.Load(k))
		}))
	})
}
