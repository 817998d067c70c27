package ke

import (
	"testing"

	"calloutsim/internal/trace"
)

// bench makes a machine whose threads run as long as the benchmark does.
func bench(b *testing.B, cfg Config) *Machine {
	b.Helper()
	cfg.MaxSteps = 1 << 62
	m := New(cfg)
	b.Cleanup(m.Close)
	b.ReportAllocs()
	return m
}

// flip always takes the other thread.
type flip struct{}

func (flip) Choose(_ *Site, n int) int { return n - 1 }

// BenchmarkStepSwitch is one scheduling point that goes to the other of two threads, with its event (goal:
// 200 ns).
func BenchmarkStepSwitch(b *testing.B) {
	m := bench(b, Config{Source: flip{}})
	n := 0
	loop := func(k *K) {
		for n < b.N {
			n++
			Point(k, Writes(trace.MakeID(trace.Var, 1)))
			m.choices = m.choices[:0]
		}
	}
	m.NewThread("a", nil, loop)
	m.NewThread("b", nil, loop)
	b.ResetTimer()
	m.Run(nil)
}

// BenchmarkPointSame is a scheduling point that asks and goes on, and one event (goal: 60 ns).
func BenchmarkPointSame(b *testing.B) {
	m := bench(b, Config{})
	n := 0
	loop := func(k *K) {
		for n < b.N {
			n++
			Point(k, Writes(trace.MakeID(trace.Var, 1)))
			Note(k, "step", 0)
			m.choices = m.choices[:0]
		}
	}
	m.NewThread("a", nil, loop)
	m.NewThread("b", nil, loop)
	b.ResetTimer()
	m.Run(nil)
}

// schedule runs three contexts of five points each.
func schedule(m *Machine, cfg Config) {
	m.Reset(cfg)
	for range 3 {
		m.NewThread("context", nil, fivePoints)
	}
	m.Run(nil)
}

func fivePoints(k *K) {
	for range 5 {
		Point(k, Writes(trace.MakeID(trace.Var, 1)))
	}
}

// BenchmarkSchedule3x5 is a whole schedule under a random walk, set-up and teardown included (goal: 4 µs).
func BenchmarkSchedule3x5(b *testing.B) {
	src := NewRandom(0, 0)
	cfg := Config{Source: src}
	m := bench(b, cfg)
	b.ResetTimer()
	for i := range b.N {
		src.Seed(0, uint64(i))
		schedule(m, cfg)
	}
}

// BenchmarkSetEventWait is a round trip of two threads over two events: two sets, two waits, four switches.
func BenchmarkSetEventWait(b *testing.B) {
	m := bench(b, Config{})
	ping := &Object{Kind: SynchronizationEvent, ID: 1}
	pong := &Object{Kind: SynchronizationEvent, ID: 2}
	m.NewThread("a", nil, func(k *K) {
		on := []*Object{pong}
		for range b.N {
			SetSignal(k, ping, 1)
			Wait(k, on, false, nil, "bench")
			m.choices = m.choices[:0]
		}
	})
	m.NewThread("b", nil, func(k *K) {
		on := []*Object{ping}
		for range b.N {
			Wait(k, on, false, nil, "bench")
			SetSignal(k, pong, 1)
		}
	})
	b.ResetTimer()
	m.Run(nil)
}

// BenchmarkTwoWorlds is Schedule3x5 on as many machines at once as there are processors (goal: 1.8 times
// one of them).
func BenchmarkTwoWorlds(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		src := NewRandom(0, 0)
		cfg := Config{Source: src}
		m := New(cfg)
		defer m.Close()
		for i := uint64(0); pb.Next(); i++ {
			src.Seed(0, i)
			schedule(m, cfg)
		}
	})
}

// BenchmarkSetFireTimer is a timer set and the wait for it.
func BenchmarkSetFireTimer(b *testing.B) {
	m := bench(b, Config{MaxTime: 1 << 62})
	t := &Timer{Object: Object{Kind: SynchronizationTimer, ID: 1}}
	m.NewThread("a", nil, func(k *K) {
		on := []*Object{&t.Object}
		for range b.N {
			SetTimer(k, t, -Millisecond, 0, nil)
			Wait(k, on, false, nil, "bench")
		}
	})
	b.ResetTimer()
	m.Run(nil)
}
