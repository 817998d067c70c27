package explore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Reference: scheduling.md 8.1 (Names).
func TestParse(t *testing.T) {
	for _, name := range []string{"default", "random", "pct2", "pct3", "pos", "urw", "surw", "portfolio"} {
		s, err := Parse(name)
		require.NoError(t, err)
		assert.Equal(t, name, s.Name)
	}
	_, err := Parse("pct9")
	require.ErrorContains(t, err, `strategy "pct9" is not known; there are default, random, pct2, pct3, `)
	require.ErrorContains(t, err, "pos, urw, surw, portfolio")
}

// lane is one machine that makes the runs of one strategy on one program.
type lane struct {
	m   *ke.Machine
	c   *Chooser
	run func(m *ke.Machine)
	cfg ke.Config
}

// newLane also makes the boring run.
func newLane(t testing.TB, strategy string, cfg ke.Config, run func(m *ke.Machine)) *lane {
	t.Helper()
	s, err := Parse(strategy)
	require.NoError(t, err)
	cfg.Events = ke.Off
	l := &lane{&ke.Machine{}, s.Chooser(), run, cfg}
	t.Cleanup(l.m.Close)
	src := l.c.Boring()
	l.with(src, l.c.Trail())
	l.c.Measured()
	return l
}

func (l *lane) with(src ke.Source, tr *ke.Trail) {
	cfg := l.cfg
	cfg.Source, cfg.Trail = src, tr
	l.m.Reset(cfg)
	l.run(l.m)
}

// make makes one run and gives its trace hash.
func (l *lane) make(master, run uint64) uint64 {
	l.with(l.c.Source(master, run), nil)
	return l.m.Log().Hash()
}

var sampled = []string{"random", "pct2", "pct3", "pos", "urw", "surw", "portfolio"}

// three is three contexts of five points each that use the same variable.
func three(m *ke.Machine) {
	for range 3 {
		m.NewThread("context", nil, fivePoints)
	}
	m.Run(nil)
}

func fivePoints(k *ke.K) {
	for range 5 {
		ke.Point(k, ke.Writes(trace.MakeID(trace.Var, 1)))
	}
}

func TestStrategies_AllocateNothing(t *testing.T) {
	for _, name := range append([]string{"default"}, sampled...) {
		l := newLane(t, name, ke.Config{}, three)
		run := uint64(2)
		next := func() {
			run++
			l.make(0, run)
		}
		for range 20 {
			next()
		}
		assert.Zero(t, testing.AllocsPerRun(200, next), name)
	}
}

func TestStrategies_RunDependsOnNoRunBefore(t *testing.T) {
	for _, name := range sampled {
		one, seen := newLane(t, name, ke.Config{}, three), map[uint64]bool{}
		for run := uint64(2); run < 40; run++ {
			want := one.make(3, run)
			seen[want] = true
			assert.Equal(t, want, newLane(t, name, ke.Config{}, three).make(3, run), "%s, run %d", name, run)
		}
		assert.Greater(t, len(seen), 4, name)
		other := newLane(t, name, ke.Config{}, three)
		differ := false
		for run := uint64(2); run < 10; run++ {
			differ = differ || one.make(3, run) != other.make(4, run)
		}
		assert.True(t, differ, "%s: another master seed, other runs", name)
	}
}

// Run 1 is the boring one, then the five take turns.
func TestPortfolio_TakesTurns(t *testing.T) {
	p := newLane(t, "portfolio", ke.Config{}, three)
	assert.IsType(t, ke.Boring{}, p.c.Source(0, 1))
	for i, name := range []string{"random", "pct2", "pct3", "urw", "pos"} {
		for _, round := range []uint64{0, 7} {
			run := 2 + round*5 + uint64(i)
			assert.Equal(t, newLane(t, name, ke.Config{}, three).make(1, run), p.make(1, run), "run %d", run)
		}
	}
}

var (
	questionFree  = ke.Site{Name: "env/test/what"}
	questionFault = ke.Site{Name: "fault/test"}
)

// What is not about the schedule every strategy answers alike: uniformly, but faults are rare.
func TestStrategies_OtherQuestions(t *testing.T) {
	const asked = 20_000
	for _, name := range sampled {
		var free [4]int
		faults := 0
		l := newLane(t, name, ke.Config{}, func(m *ke.Machine) {
			m.NewThread("asks", nil, func(k *ke.K) {
				for range 100 {
					free[ke.Choose(k, &questionFree, 4)]++
					if ke.Fails(k, &questionFault) {
						faults++
					}
				}
			})
			m.Run(nil)
		})
		free, faults = [4]int{}, 0
		for run := range uint64(asked / 100) {
			l.make(0, run+2)
		}
		for _, n := range free {
			assert.InDelta(t, asked/4, n, 400, name)
		}
		// Half of the two answers is that it fails, once in 50 that it is asked at all.
		assert.InDelta(t, asked/100, faults, 60, name)
	}
}

func TestMeasure_CountsStepsOfEverybody(t *testing.T) {
	l := newLane(t, "urw", ke.Config{}, func(m *ke.Machine) {
		for i := range 3 {
			m.NewThread("context", nil, func(k *ke.K) {
				for range 2 + i {
					ke.Point(k, ke.Writes(trace.MakeID(trace.Var, uint64(i+1))))
				}
				ke.Point(k, ke.Reads(trace.MakeID(trace.Var, 9)))
			})
		}
		m.Run(nil)
	})
	e := &l.c.est
	assert.Equal(t, 3+4+5+3, e.Total, "with the three beginnings")
	first := ke.Actor(3) // after two processors
	for i := range 3 {
		a := first + ke.Actor(i)
		assert.Equal(t, 3+i, e.Steps(a))
		c := e.course(a)
		assert.Equal(t, 1, c.ahead(0), "shared is only the last step")
		assert.False(t, c.usesShared(0))
		assert.True(t, c.usesShared(2+i))
		assert.False(t, c.usesShared(3+i))
		assert.Zero(t, c.ahead(3+i))
	}
	assert.Zero(t, e.Steps(first+3))
	assert.Zero(t, e.Steps(ke.ActorClock))
}

// BenchmarkSchedule3x5 is a whole run of three contexts of five points each (goal: 4 µs).
func BenchmarkSchedule3x5(b *testing.B) {
	for _, name := range append([]string{"default"}, sampled...) {
		b.Run(name, func(b *testing.B) {
			l := newLane(b, name, ke.Config{}, three)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				l.make(0, uint64(i)+2)
			}
		})
	}
}
