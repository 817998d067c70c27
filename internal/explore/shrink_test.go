package explore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// play makes runs of a scenario, which tells how it failed.
func play(scenario func(m *ke.Machine) string) func(ke.Source) Trial {
	m, trail := &ke.Machine{}, &ke.Trail{Outcomes: true}
	return func(src ke.Source) Trial {
		r := NewRecorder(src, trail)
		m.Reset(ke.Config{Source: r, Trail: trail})
		failed := scenario(m)
		t := r.Trial(m.Choices())
		t.Signature, t.Cost = failed, int(m.Steps())
		return t
	}
}

// updates lets threads add to a counter without a lock, after steps that use nothing in common.
func updates(threads, rounds, padding int) func(m *ke.Machine) string {
	return func(m *ke.Machine) string {
		n := 0
		id := m.NewID(trace.Var)
		for i := range threads {
			own := m.NewID(trace.Var)
			m.NewThread(fmt.Sprint("thread ", i), nil, func(k *ke.K) {
				for range rounds {
					for range padding {
						ke.Point(k, ke.Writes(own))
					}
					ke.Point(k, ke.Reads(id))
					v := n
					ke.Point(k, ke.Writes(id))
					n = v + 1
				}
			})
		}
		m.Run(nil)
		if n != threads*rounds {
			return "lost"
		}
		return ""
	}
}

// failing gives the first random run that fails.
func failing(t *testing.T, run func(ke.Source) Trial) ke.Source {
	t.Helper()
	for n := uint64(2); n < 1000; n++ {
		if run(ke.NewRandom(0, n)).Signature != "" {
			return ke.NewRandom(0, n)
		}
	}
	t.Fatal("no run fails")
	return nil
}

func TestShrink_OneInterruptionLosesAnUpdate(t *testing.T) {
	for _, c := range []struct{ threads, rounds, padding int }{{2, 1, 0}, {2, 1, 20}, {3, 5, 0}, {6, 1, 1}} {
		run := play(updates(c.threads, c.rounds, c.padding))
		s := Shrink(failing(t, run), run)
		assert.Equal(t, "lost", s.To.Signature)
		assert.Equal(t, 1, s.To.Interruptions(), "%v", c)
		assert.Len(t, s.To.Deviations(), 1, "%v", c)
		assert.True(t, s.Searched, "%v", c)
		t.Logf("%v: %d choices, %d interruptions -> %v, %d runs", c, len(s.From.Deviations()),
			s.From.Interruptions(), s.To.Deviations(), s.Runs)
		again := run(&ke.Replay{Deviations: s.To.Deviations()})
		assert.Equal(t, s.To.Acts, again.Acts, "the deviations repeat the run")
	}
}

// needsTwo fails only if the second thread runs between the steps of the first twice.
func needsTwo(m *ke.Machine) string {
	id := m.NewID(trace.Var)
	var order string
	for _, name := range []string{"a", "b"} {
		m.NewThread(name, nil, func(k *ke.K) {
			for range 3 {
				ke.Point(k, ke.Writes(id))
				order += name
			}
		})
	}
	m.Run(nil)
	if order == "abaabb" {
		return "aba"
	}
	return ""
}

func TestShrink_ProvesThatFewerInterruptionsDoNotDo(t *testing.T) {
	run := play(needsTwo)
	s := Shrink(failing(t, run), run)
	assert.Equal(t, 2, s.To.Interruptions())
	assert.True(t, s.Searched)
	assert.Positive(t, s.Schedules)
}

var (
	failsSite = ke.Site{Name: "fault/Test", Spec: "test"}
	worldSite = ke.Site{Name: "env/Test", Spec: "test"}
)

// needsFault fails if the second of three allocations does and the last answer of the world is 2.
func needsFault(m *ke.Machine) string {
	var failed [3]bool
	world := 0
	id := m.NewID(trace.Var)
	for range 2 {
		m.NewThread("other", nil, func(k *ke.K) { ke.Point(k, ke.Writes(id)) })
	}
	m.NewThread("asks", nil, func(k *ke.K) {
		for i := range failed {
			ke.Point(k, ke.Writes(id))
			failed[i] = ke.Fails(k, &failsSite)
			world = ke.Choose(k, &worldSite, 4)
		}
	})
	m.Run(nil)
	if failed[1] && world >= 2 {
		return "failed"
	}
	return ""
}

func TestShrink_KeepsTheFaultItNeeds(t *testing.T) {
	run := play(needsFault)
	s := Shrink(failing(t, run), run)
	require.Len(t, s.To.Deviations(), 2)
	var kept []string
	for _, d := range s.To.Deviations() {
		kept = append(kept, fmt.Sprint(s.To.Acts[d.Index].Site, " ", d.Pick))
	}
	assert.Equal(t, []string{"fault/Test 1", "env/Test 2"}, kept, "and the smaller of the answers")
	assert.True(t, s.Searched, "there is nothing below no interruption")
}

func TestShrink_GivesUpAtItsPrice(t *testing.T) {
	run := play(func(m *ke.Machine) string { // every schedule but the boring one fails, and they are long
		id := m.NewID(trace.Var)
		last := -1
		result := ""
		for i := range 3 {
			m.NewThread("t", nil, func(k *ke.K) {
				for range 400 {
					ke.Point(k, ke.Writes(id))
					if last > i && result == "" {
						result = "order"
					}
					last = i
				}
			})
		}
		m.Run(nil)
		if result != "" && m.Steps() > 0 && len(m.Deviations()) > 40 {
			return result
		}
		return ""
	})
	s := Shrink(ke.NewRandom(0, 5), run)
	assert.Equal(t, "order", s.To.Signature)
	assert.False(t, s.Searched)
	assert.Less(t, s.Runs*(perRun+1200), 2*(perShrink+perSearch))
}

func TestShrink_BoringRunStaysAsItIs(t *testing.T) {
	run := play(func(m *ke.Machine) string {
		updates(2, 1, 0)(m)
		return "always"
	})
	s := Shrink(ke.Boring{}, run)
	assert.Equal(t, 1, s.Runs)
	assert.True(t, s.Searched)
	assert.Empty(t, s.To.Deviations())
	s = Shrink(ke.NewRandom(0, 3), run)
	assert.Empty(t, s.To.Deviations())
	assert.Equal(t, 2, s.Runs, "the boring one is tried first")
}

func TestShrink_IsDeterministic(t *testing.T) {
	run := play(updates(3, 3, 1))
	first := failing(t, run)
	a := Shrink(&ke.Replay{Deviations: ofRun(run, first)}, run)
	other := play(updates(3, 3, 1))
	b := Shrink(&ke.Replay{Deviations: a.From.Deviations()}, other)
	assert.Equal(t, a, b)
}

func ofRun(run func(ke.Source) Trial, src ke.Source) []ke.Deviation {
	t := run(src)
	return t.Deviations()
}

// With room for every interruption the search makes every schedule, and each one once.
func TestSearch_MakesEveryScheduleOnce(t *testing.T) {
	var order string
	run := play(func(m *ke.Machine) string {
		order = ""
		id := m.NewID(trace.Var)
		for _, name := range []string{"a", "b", "c"} {
			m.NewThread(name, nil, func(k *ke.K) {
				for range 2 {
					ke.Point(k, ke.Writes(id))
					order += name
				}
			})
		}
		m.Run(nil)
		return ""
	})
	for limit, want := range map[int]int{1: 6, 100: 90} { // 3!, and 6!/(2! 2! 2!)
		seen, tried := map[string]bool{}, map[string]int{}
		try := func(src ke.Source) Trial {
			t := run(src)
			seen[order] = true
			tried[fmt.Sprint(t.Order)]++
			return t
		}
		none := answers{of: map[question]int{}, seen: map[question]int{}}
		found, complete := newSearch(limit, none).run("x", try, func() bool { return true })
		assert.Nil(t, found)
		assert.True(t, complete)
		for o, n := range tried {
			assert.Equal(t, 1, n, "%s was made more than once", o)
		}
		assert.Len(t, seen, want, "below %d interruptions: %v", limit, seen)
	}
}

func TestCouldSwap_OnlyWithoutAChain(t *testing.T) {
	for _, c := range []struct {
		name  string
		event bool
		frees bool // the first, then, something else
		reads bool // the second that, or it only comes back from somewhere
		swap  bool
	}{
		{"nothing between", false, false, false, true},
		{"waits for it", true, false, false, false},
		{"reads another thing", false, true, true, false},
		{"a call returns", false, true, false, true},
	} {
		trail := &ke.Trail{Outcomes: true}
		m := &ke.Machine{}
		m.Reset(ke.Config{Trail: trail, Source: NewRecorder(ke.Boring{}, trail)})
		id, other := m.NewID(trace.Var), m.NewID(trace.Var)
		event := &ke.Object{Kind: ke.NotificationEvent, ID: m.NewID(trace.KEvent)}
		var steps [2]int
		m.NewThread("first", nil, func(k *ke.K) {
			ke.Point(k, ke.Writes(id))
			steps[0] = len(trail.Steps) - 1
			if c.event {
				ke.Point(k, ke.Sets(event.ID))
				ke.SetSignal(k, event, 1)
			}
			if c.frees {
				ke.Point(k, ke.Frees(other))
			}
		})
		m.NewThread("second", nil, func(k *ke.K) {
			if c.event {
				ke.Point(k, ke.WaitsOn(event.ID))
				ke.Wait(k, []*ke.Object{event}, false, nil, "waits")
			}
			if c.reads {
				ke.Point(k, ke.Reads(other))
			} else {
				ke.PointHere(k, other)
			}
			ke.Point(k, ke.Writes(id))
			steps[1] = len(trail.Steps) - 1
		})
		m.Run(nil)
		assert.Equal(t, c.swap, CouldSwap(trail, steps[0], steps[1]), c.name)
		assert.False(t, CouldSwap(trail, steps[1], steps[0]), "the later step did not come first")
		m.Close()
	}
}
