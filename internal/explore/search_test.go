package explore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
)

// scene is a small scenario; it sets up one run.
type scene func(m *ke.Machine)

// seen is what a search has seen.
type seen struct {
	runs, whole int // whole: not cut
	stopped     int // by a violation
	outcomes    map[uint64]int
	orders      map[uint64]int
	findings    map[string]int
	fallbacks   int
}

func searchAll(t testing.TB, s *Search, fn scene, limit int) seen {
	t.Helper()
	out := seen{outcomes: map[uint64]int{}, orders: map[uint64]int{}, findings: map[string]int{}}
	s.Orders = true
	m := ke.New(ke.Config{})
	defer m.Close()
	if s.Trail == nil && (s.Reduce || s.Sleep) {
		s.Trail = &ke.Trail{Outcomes: true}
	}
	trail := s.Trail
	if trail == nil {
		trail = &ke.Trail{Outcomes: true}
		defer func() { s.Trail = nil }()
		s.Trail = trail
	}
	for more := true; more; {
		m.Reset(ke.Config{Source: s.Begin(), Trail: trail, Processors: ke.Unbounded,
			MemPoints: true, Events: ke.Off})
		fn(m)
		m.Run(nil)
		out.runs++
		if !m.WasCut() {
			if !m.Dead() {
				m.RunEndChecks()
			}
			out.whole++
			for _, f := range m.Findings() {
				out.findings[f.Signature()]++
			}
			if len(m.Findings()) == 0 { // a violation stops the others wherever they are
				out.outcomes[trail.Outcome()]++
			}
		}
		more = s.End(m)
		if !m.WasCut() && len(m.Findings()) == 0 {
			out.orders[s.Order()]++
		}
		require.NoError(t, s.Err())
		require.LessOrEqual(t, out.runs, limit, "the search does not end")
	}
	out.fallbacks = s.Fallbacks
	return out
}

func increments(threads, times int) scene {
	return func(m *ke.Machine) {
		v := new(irql.Var[int32])
		for range threads {
			m.NewThread("adder", nil, func(k *irql.K) {
				for range times {
					irql.InterlockedIncrement(k, v)
				}
			})
		}
	}
}

func factorial(n int) int {
	f := 1
	for i := 2; i <= n; i++ {
		f *= i
	}
	return f
}

// Reference: scheduling.md 17 (closed forms).
func TestSearch_CountsOfIncrementsAreTheClosedForm(t *testing.T) {
	for _, c := range []struct{ n, k int }{{2, 2}, {2, 3}, {3, 1}, {3, 2}, {4, 1}, {2, 5}} {
		want := factorial(c.n * c.k)
		for range c.n {
			want /= factorial(c.k)
		}
		s := &Search{Bounds: NoBounds, Reduce: true}
		got := searchAll(t, s, increments(c.n, c.k), 10_000)
		assert.Equal(t, want, got.whole, "%d threads, %d increments each", c.n, c.k)
		assert.Equal(t, want, len(got.outcomes))
		t.Logf("%d x %d: %d runs, %d whole", c.n, c.k, got.runs, got.whole)
		sl := &Search{Bounds: NoBounds, Sleep: true}
		slept := searchAll(t, sl, increments(c.n, c.k), 100_000)
		assert.Equal(t, want, slept.whole, "DFS with sleep sets")
	}
}

// scenes are compared with plain DFS.
var scenes = []struct {
	name string
	fn   scene
}{
	{"private steps", func(m *ke.Machine) {
		shared := new(irql.Var[int32])
		for range 3 {
			m.NewThread("t", nil, func(k *irql.K) {
				own := new(irql.Var[int32])
				irql.InterlockedIncrement(k, own)
				irql.InterlockedIncrement(k, shared)
			})
		}
	}},
	{"event before or after the wait", func(m *ke.Machine) {
		e := new(irql.KEVENT)
		m.NewThread("waiter", nil, func(k *irql.K) {
			irql.KeInitializeEvent(k, e, irql.SynchronizationEvent, false)
			m.NewThread("setter", nil, func(k *irql.K) { irql.KeSetEvent(k, e, 0, false) })
			irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
		})
	}},
	{"pulse", func(m *ke.Machine) {
		e := new(irql.KEVENT)
		m.NewThread("waiter", nil, func(k *irql.K) {
			irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
			m.NewThread("setter", nil, func(k *irql.K) {
				irql.KeSetEvent(k, e, 0, false)
				irql.KeResetEvent(k, e)
			})
			due := int64(-1000)
			irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, &due)
		})
	}},
	{"two waiters for one", func(m *ke.Machine) {
		e := new(irql.KEVENT)
		m.NewThread("main", nil, func(k *irql.K) {
			irql.KeInitializeEvent(k, e, irql.SynchronizationEvent, false)
			for range 2 {
				m.NewThread("waiter", nil, func(k *irql.K) {
					irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
				})
			}
			irql.KeSetEvent(k, e, 0, false)
			irql.KeSetEvent(k, e, 0, false)
		})
	}},
	{"spin locks, one order", func(m *ke.Machine) { locks(m, false, 2) }},
	{"spin locks, two orders", func(m *ke.Machine) { locks(m, true, 2) }},
	{"spin locks, three threads", func(m *ke.Machine) { locks(m, false, 3) }},
	{"dpc against thread", func(m *ke.Machine) {
		v := new(irql.Var[int32])
		d := new(irql.KDPC)
		m.NewThread("main", nil, func(k *irql.K) {
			irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
				irql.InterlockedIncrement(k, v)
				irql.InterlockedIncrement(k, v)
			}, nil)
			irql.KeSetImportanceDpc(k, d, irql.LowImportance)
			irql.KeInsertQueueDpc(k, d, nil, nil)
			irql.InterlockedIncrement(k, v)
			irql.InterlockedIncrement(k, v)
		})
		m.NewThread("other", nil, func(k *irql.K) { irql.InterlockedIncrement(k, v) })
	}},
	{"dpc under a lock", func(m *ke.Machine) {
		v := new(irql.Var[int32])
		d := new(irql.KDPC)
		l := new(irql.KSPIN_LOCK)
		m.NewThread("main", nil, func(k *irql.K) {
			irql.KeInitializeSpinLock(k, l)
			irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
				irql.KeAcquireSpinLockAtDpcLevel(k, l)
				irql.InterlockedIncrement(k, v)
				irql.KeReleaseSpinLockFromDpcLevel(k, l)
			}, nil)
			m.NewThread("other", nil, func(k *irql.K) {
				irql.KeInsertQueueDpc(k, d, nil, nil)
				irql.InterlockedIncrement(k, v)
			})
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, l, &old)
			irql.KeInsertQueueDpc(k, d, nil, nil)
			irql.InterlockedIncrement(k, v)
			irql.KeReleaseSpinLock(k, l, old)
			irql.InterlockedIncrement(k, v)
		})
	}},
	{"timers", func(m *ke.Machine) {
		v := new(irql.Var[int32])
		for range 2 {
			m.NewThread("t", nil, func(k *irql.K) {
				due := int64(-1000)
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
				irql.InterlockedIncrement(k, v)
			})
		}
	}},
	{"what a lock guards", func(m *ke.Machine) {
		l, own, x := new(irql.KSPIN_LOCK), new(irql.Var[int32]), new(irql.Var[int32])
		n, guarded := 0, trace.MakeID(trace.NoKind, 1<<40)
		m.NewThread("main", nil, func(k *irql.K) {
			irql.KeInitializeSpinLock(k, l)
			m.NewThread("writer", nil, func(k *irql.K) {
				var old irql.KIRQL
				irql.KeAcquireSpinLock(k, l, &old)
				irql.InterlockedIncrement(k, x)
				ke.Adds(k, ke.Writes(guarded))
				n++
				irql.KeReleaseSpinLock(k, l, old)
			})
			m.NewThread("reader", nil, func(k *irql.K) {
				var old irql.KIRQL
				irql.InterlockedIncrement(k, own)
				irql.KeAcquireSpinLock(k, l, &old)
				ke.Adds(k, ke.Reads(guarded))
				ke.Sees(k, uint64(n))
				irql.KeReleaseSpinLock(k, l, old)
			})
		})
	}},
	{"preparations at rest", func(m *ke.Machine) {
		v := new(irql.Var[int32])
		m.NewThread("first", nil, func(k *irql.K) { irql.InterlockedIncrement(k, v) })
		m.NewThread("second", nil, func(k *irql.K) { irql.InterlockedIncrement(k, v) })
		m.Run(nil)
		m.NewThread("third", nil, func(k *irql.K) { irql.InterlockedIncrement(k, v) })
	}},
	{"semaphore", func(m *ke.Machine) {
		s := new(irql.KSEMAPHORE)
		m.NewThread("main", nil, func(k *irql.K) {
			irql.KeInitializeSemaphore(k, s, 0, 2)
			for range 2 {
				m.NewThread("taker", nil, func(k *irql.K) {
					irql.KeWaitForSingleObject(k, s, irql.Executive, irql.KernelMode, false, nil)
				})
			}
			irql.KeReleaseSemaphore(k, s, 0, 1, false)
			irql.KeReleaseSemaphore(k, s, 0, 1, false)
		})
	}},
}

func locks(m *ke.Machine, crossed bool, n int) {
	a, b := new(irql.KSPIN_LOCK), new(irql.KSPIN_LOCK)
	v := new(irql.Var[int32])
	m.NewThread("main", nil, func(k *irql.K) {
		irql.KeInitializeSpinLock(k, a)
		irql.KeInitializeSpinLock(k, b)
		for i := range n {
			one, two := a, b
			if crossed && i == 1 {
				one, two = b, a
			}
			m.NewThread("locker", nil, func(k *irql.K) {
				var old, old2 irql.KIRQL
				irql.KeAcquireSpinLock(k, one, &old)
				if n < 3 {
					irql.KeAcquireSpinLock(k, two, &old2)
				}
				irql.InterlockedIncrement(k, v)
				if n < 3 {
					irql.KeReleaseSpinLock(k, two, old2)
				}
				irql.KeReleaseSpinLock(k, one, old)
			})
		}
	})
}

// Reference: scheduling.md 17 (reduction oracle).
func TestSearch_ReductionLosesNoOutcome(t *testing.T) {
	for _, c := range scenes {
		t.Run(c.name, func(t *testing.T) {
			plain := searchAll(t, &Search{Bounds: NoBounds}, c.fn, 400_000)
			slept := searchAll(t, &Search{Bounds: NoBounds, Sleep: true}, c.fn, 400_000)
			short := searchAll(t, &Search{Bounds: NoBounds, Reduce: true}, c.fn, 400_000)
			t.Logf("plain DFS %d runs, with sleep sets %d (%d whole), DPOR %d (%d whole), %d outcomes, "+
				"%d fallbacks", plain.runs, slept.runs, slept.whole, short.runs, short.whole,
				len(plain.outcomes), short.fallbacks)
			assert.Equal(t, keys(plain.orders), keys(slept.orders), "DFS with sleep sets")
			assert.Equal(t, keys(plain.orders), keys(short.orders), "DPOR")
			if len(short.findings) == 0 {
				assert.Len(t, short.orders, short.whole, "each partial order once")
			}
			assert.Equal(t, keys(plain.outcomes), keys(slept.outcomes), "DFS with sleep sets")
			assert.Equal(t, keys(plain.outcomes), keys(short.outcomes), "DPOR")
			assert.Equal(t, keys(plain.findings), keys(slept.findings))
			assert.Equal(t, keys(plain.findings), keys(short.findings))
		})
	}
}

func keys[K comparable](m map[K]int) map[K]bool {
	out := map[K]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// Reference: scheduling.md 9.4 (pairs that commute).
func TestDependent(t *testing.T) {
	a, b := trace.MakeID(trace.IRP, 1), trace.MakeID(trace.IRP, 2)
	self := ke.Reads(trace.MakeID(trace.Context, 7))
	for _, c := range []struct {
		one, two ke.Use
		want     bool
	}{
		{ke.Reads(a), ke.Reads(a), false},
		{ke.Reads(a), ke.Writes(a), true},
		{ke.Writes(a), ke.Writes(b), false},
		{ke.Swaps(a), ke.Swaps(a), true},
		{ke.Counts(a), ke.Counts(a), false},
		{ke.Counts(a), ke.Reads(a), true},
		{ke.Sets(a), ke.Clears(a), true},
		{ke.Unknown, ke.Reads(a), true},
		{ke.Unknown, ke.Unknown, true},
		{ke.Unknown, self, false},
		{self, ke.Writes(self.Obj), true},
	} {
		assert.Equal(t, c.want, Conflict(c.one, c.two), "%v and %v", c.one, c.two)
		assert.Equal(t, c.want, Conflict(c.two, c.one), "%v and %v", c.two, c.one)
	}
}

func TestSearch_LeavesFixedDecisionsAlone(t *testing.T) {
	decisions := 0
	s := &Search{Bounds: NoBounds, Reduce: true}
	s.Fixed = func() bool { decisions++; return true }
	assert.Equal(t, 1, searchAll(t, s, increments(3, 2), 10).runs)
	assert.Positive(t, decisions)
}

// A bound on answers of Windows and on failures leaves DPOR with all that plain search sees within it.
// Reference: proof.md 3.3.
func TestSearch_BoundsOnAnswersAndFaultsLoseNoOutcome(t *testing.T) {
	asking := func(m *ke.Machine) {
		v, w := new(irql.Var[int32]), new(irql.Var[int32])
		for i := range 3 {
			m.NewThread("asker", nil, func(k *irql.K) {
				x := v
				if ke.Choose(k, &siteB, 2) == 1 {
					x = w
				}
				irql.InterlockedIncrement(k, x)
				if i > 0 && ke.Choose(k, &siteA, 2) == 0 {
					irql.InterlockedIncrement(k, w)
				}
			})
		}
	}
	for answers := range 4 {
		for faults := range 3 {
			bounds := NoBounds
			bounds.Answers, bounds.Faults = answers, faults
			plain := &Search{Bounds: bounds}
			full := searchAll(t, plain, asking, 400_000)
			slept := searchAll(t, &Search{Bounds: bounds, Sleep: true}, asking, 400_000)
			reduced := &Search{Bounds: bounds, Reduce: true}
			short := searchAll(t, reduced, asking, 400_000)
			t.Logf("answers <= %d, faults <= %d: plain %d runs, DPOR %d", answers, faults, full.runs,
				short.runs)
			assert.Equal(t, keys(full.orders), keys(short.orders))
			assert.Equal(t, keys(full.orders), keys(slept.orders))
			assert.Equal(t, keys(full.outcomes), keys(short.outcomes))
			assert.Equal(t, answers < 3, plain.Refused(), "three questions come up")
			assert.Equal(t, answers < 3, reduced.Refused())
		}
	}
}
