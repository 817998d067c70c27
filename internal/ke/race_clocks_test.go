package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"calloutsim/internal/trace"
)

// past is the set of accesses that happened before something, by number.
type past map[int]bool

func (p past) add(o past) {
	for i := range o {
		p[i] = true
	}
}

// noted is an access as the slow way remembers it: all of them.
type noted struct {
	lo, hi uint8
	how    Access
}

// TestRaces_AgreeWithTheSlowWay compares vector clocks and shadow memory with sets of accesses.
func TestRaces_AgreeWithTheSlowWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const contexts, locks = 3, 2
		var lines [contexts]*timeline
		var known [contexts]past
		for i := range lines {
			lines[i] = &timeline{num: uint32(i)}
			lines[i].restart(&knowledge{})
			known[i] = past{}
		}
		var orders [locks]knowledge
		released := [locks]past{{}, {}}
		s := &shadow{lines: make([][]access, 1)}
		var all []noted
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c := rapid.IntRange(0, contexts-1).Draw(t, "context")
			lock := rapid.IntRange(0, locks-1).Draw(t, "lock")
			switch rapid.SampledFrom([]string{"acquire", "release", "access", "access"}).Draw(t, "step") {
			case "acquire":
				lines[c].vc.join(orders[lock].vc)
				known[c].add(released[lock])
			case "release":
				lines[c].releaseTo(&orders[lock])
				released[lock].add(known[c])
			case "access":
				lo := rapid.Uint8Range(0, 5).Draw(t, "lo")
				n := noted{lo, lo + rapid.Uint8Range(1, 4).Draw(t, "n"),
					rapid.SampledFrom([]Access{R, R, W, A, Free}).Draw(t, "how")}
				want := false
				for i, o := range all {
					want = want || o.lo < n.hi && n.lo < o.hi && conflict(o.how, n.how) && !known[c][i]
				}
				a := access{lo: n.lo, hi: n.hi, how: n.how, line: uint32(c), clock: lines[c].vc[c]}
				other := s.enter(0, lines[c], &a)
				require.Equal(t, want, other != nil)
				known[c][len(all)] = true
				all = append(all, n)
			}
		}
	})
}

// counts runs fn in two threads that share one variable and gives the kinds of the findings.
func counts(t *testing.T, cfg Config, fn func(k *K, touch func(how Access))) []string {
	t.Helper()
	cfg.Races = true
	m := New(cfg)
	defer m.Close()
	id := m.NewID(trace.Var)
	for range 2 {
		m.NewThread("thread", nil, func(k *K) {
			fn(k, func(how Access) { Touch(k, id, 0, 4, how) })
		})
	}
	m.Run(nil)
	var kinds []string
	for _, f := range m.Findings() {
		kinds = append(kinds, f.Name())
	}
	return kinds
}

func TestRaces_KindsOfAccess(t *testing.T) {
	assert.Equal(t, []string{DataRace}, counts(t, Config{}, func(_ *K, touch func(Access)) { touch(W) }))
	next := R
	assert.Equal(t, []string{DataRace}, counts(t, Config{}, func(_ *K, touch func(Access)) {
		touch(next)
		next = Free
	}))
	assert.Empty(t, counts(t, Config{}, func(_ *K, touch func(Access)) { touch(R) }))
	assert.Empty(t, counts(t, Config{}, func(_ *K, touch func(Access)) { touch(A); touch(R) }))
	assert.Empty(t, counts(t, Config{Processors: 1}, func(k *K, touch func(Access)) {
		l := &k.m.cfg // any key
		OrderedAfter(k, l)
		touch(W)
		Released(k, l)
	}))
}

// What a clear took back lets nobody go on, and so orders nothing.
func TestRaces_AClearedEventOrdersNothing(t *testing.T) {
	event := &Object{Kind: NotificationEvent, ID: 1}
	first := true
	got := counts(t, Config{}, func(k *K, touch func(Access)) {
		if first {
			first = false
			touch(W)
			SetSignal(k, event, 1)
			SetSignal(k, event, 0)
			return
		}
		SetSignal(k, event, 1)
		Wait(k, []*Object{event}, false, nil, "test")
		touch(W)
	})
	assert.Equal(t, []string{DataRace}, got)
}

func TestRaces_SteadyStateAllocatesNothing(t *testing.T) {
	m := New(Config{Races: true})
	defer m.Close()
	id := m.NewID(trace.Pool)
	m.NewThread("thread", nil, func(k *K) {
		l := &SpinLock{ID: m.NewID(trace.SpinLock)}
		work := func() {
			AcquireSpin(k, l)
			Touch(k, id, 0, 1500, W)
			Touch(k, id, 4, 4, R)
			ReleaseSpin(k, l)
		}
		work()
		assert.LessOrEqual(t, testing.AllocsPerRun(100, work), 0.1)
	})
	m.Run(nil)
}

func BenchmarkRaces(b *testing.B) {
	m := bench(b, Config{Races: true})
	id := m.NewID(trace.Pool)
	m.NewThread("thread", nil, func(k *K) {
		l := &SpinLock{ID: m.NewID(trace.SpinLock)}
		b.Run("same epoch", func(b *testing.B) {
			for b.Loop() {
				Touch(k, id, 0, 4, W)
			}
		})
		b.Run("lock, write, release", func(b *testing.B) {
			for b.Loop() {
				AcquireSpin(k, l)
				Touch(k, id, 0, 4, W)
				ReleaseSpin(k, l)
			}
		})
	})
	m.Run(nil)
}

// BenchmarkSchedule3x5Races is BenchmarkSchedule3x5 with the detector on.
func BenchmarkSchedule3x5Races(b *testing.B) {
	src := NewRandom(0, 0)
	cfg := Config{Source: src, Races: true}
	m := bench(b, cfg)
	b.ResetTimer()
	for i := range b.N {
		src.Seed(0, uint64(i))
		schedule(m, cfg)
	}
}
