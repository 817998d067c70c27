package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// BenchmarkSearch measures whole searches; ns/run and allocs/run are per run of the search.
func BenchmarkSearch(b *testing.B) {
	useAfterFree := program{{requestNamed("sendwork")}}
	for _, c := range []struct {
		name string
		fn   scene
	}{
		{"increments 3x2", increments(3, 2)},
		{"increments 4x2", increments(4, 2)},
		{"lost wake-up", lostWakeUp},
		{"request through a work item", scenario(useAfterFree, -1)},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.fn) })
	}
}

func benchmark(b *testing.B, fn scene) {
	m, trail := ke.New(ke.Config{}), &ke.Trail{Outcomes: true}
	defer m.Close()
	b.ReportAllocs()
	runs := 0
	for b.Loop() {
		s := &Search{Bounds: noFaults, Reduce: true, Trail: trail}
		for more := true; more; runs++ {
			m.Reset(ke.Config{Source: s.Begin(), Trail: trail, Processors: ke.Unbounded,
				MemPoints: true, Events: ke.Off})
			fn(m)
			m.Run(nil)
			more = s.End(m)
		}
	}
	b.ReportMetric(float64(runs)/b.Elapsed().Seconds(), "runs/s")
	b.ReportMetric(float64(runs)/float64(b.N), "runs/search")
}

func requestNamed(name string) int {
	for i := range requests {
		if requests[i].name == name {
			return i
		}
	}
	panic(name)
}

// lostWakeUp is a waiter that looks at a flag, resets an event and waits, without a lock.
func lostWakeUp(m *ke.Machine) {
	e, flag := new(irql.KEVENT), new(irql.Var[int32])
	m.NewThread("waiter", nil, func(k *irql.K) {
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
		m.NewThread("setter", nil, func(k *irql.K) {
			flag.Store(k, 1)
			irql.KeSetEvent(k, e, 0, false)
		})
		if flag.Load(k) == 0 {
			irql.KeClearEvent(k, e)
			irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
		}
	})
}

// A search allocates for its path, not for its runs: what remains are the closures of the scene.
func TestSearch_AllocatesNothingPerRun(t *testing.T) {
	m, trail := ke.New(ke.Config{}), &ke.Trail{Outcomes: true}
	defer m.Close()
	runs := 0
	search := func() {
		runs = 0
		s := &Search{Bounds: noFaults, Reduce: true, Trail: trail}
		for more := true; more; runs++ {
			m.Reset(ke.Config{Source: s.Begin(), Trail: trail, Processors: ke.Unbounded,
				MemPoints: true, Events: ke.Off})
			increments(4, 2)(m)
			m.Run(nil)
			more = s.End(m)
		}
	}
	search()
	scene := testing.AllocsPerRun(10, func() {
		m.Reset(ke.Config{Processors: ke.Unbounded, MemPoints: true, Events: ke.Off})
		increments(4, 2)(m)
		m.Run(nil)
	})
	total := testing.AllocsPerRun(1, search)
	require.Less(t, total-scene*float64(runs), float64(runs)/5, "%d runs, %v of the scene", runs, scene)
}
