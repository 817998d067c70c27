package explore

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// script lets the actors go on in a given order.
type script struct {
	order []ke.Actor
	at    int
	lost  bool // the order could not be followed
}

func (s *script) Choose(*ke.Site, int) int { return 0 }

func (s *script) Pick(m *ke.Machine, at *ke.Moment) int {
	want := ke.Actor(0)
	if s.at < len(s.order) {
		want = s.order[s.at]
	}
	s.at++
	for i := range at.Options {
		if at.Options[i].Actor == want {
			return i
		}
	}
	s.lost = true
	return ke.Cut
}

// played is one run of a scene in which chosen steps are recorded.
type played struct {
	steps   []footprint
	order   []ke.Actor // of the steps that were picked
	index   []int      // in steps
	after   [][]int32
	makes   map[int]bool // steps that made threads
	outcome uint64
	stopped bool
}

func playPair(m *ke.Machine, trail *ke.Trail, fn scene, src ke.Source) (p played, ok bool) {
	m.Reset(ke.Config{Source: src, Trail: trail, Processors: ke.Unbounded, MemPoints: true, Events: ke.Off})
	fn(m)
	m.Run(nil)
	if m.WasCut() {
		return p, false
	}
	p.makes = map[int]bool{}
	seen := map[ke.Actor]bool{}
	for i := range trail.Steps {
		s := &trail.Steps[i]
		for _, f := range trail.After(i) {
			p.makes[int(f)] = p.makes[int(f)] || !seen[s.Actor]
		}
		seen[s.Actor] = true
		p.steps = append(p.steps, footprint{s.Actor, s.Host, append([]ke.Use(nil), trail.Uses(i)...)})
		p.after = append(p.after, append([]int32(nil), trail.After(i)...))
		if !s.Alone {
			p.order, p.index = append(p.order, s.Actor), append(p.index, i)
		}
	}
	p.outcome, p.stopped = trail.Outcome(), m.Dead()
	return p, true
}

// mute answers only who goes on at random.
type mute struct{ picker }

func (mute) Choose(*ke.Site, int) int { return 0 }

// commutes swaps neighbouring steps of random runs that are called independent, one pair after the other,
// and compares how the runs end.
func commutes(t *testing.T, what string, fn scene, runs int, setup *bool) (pairs int) {
	m, trail := ke.New(ke.Config{}), &ke.Trail{Outcomes: true}
	defer m.Close()
	for r := range runs {
		p, ok := playPair(m, trail, fn, mute{picker{ke.NewRandom(5, uint64(r)), setup}})
		require.True(t, ok)
		if p.stopped {
			continue
		}
		for i := 0; i+1 < len(p.order); i++ {
			if !p.swappable(i) {
				continue
			}
			order := append([]ke.Actor(nil), p.order...)
			order[i], order[i+1] = order[i+1], order[i]
			s := &script{order: order}
			q, ok := playPair(m, trail, fn, s)
			if !ok || s.lost {
				continue // another step was needed in between
			}
			pairs++
			if q.outcome != p.outcome || q.stopped {
				explain(t, &p, i)
				require.Failf(t, "steps do not commute", "%s, run %d, steps %d and %d: %v and %v", what, r,
					p.index[i], p.index[i+1], p.steps[p.index[i]], p.steps[p.index[i+1]])
			}
		}
	}
	return pairs
}

// swappable reports whether the picked steps i and i+1 may be swapped.
func (p *played) swappable(i int) bool {
	a, b := p.index[i], p.index[i+1]
	if b != a+1 || p.order[i] == p.order[i+1] || relate(&p.steps[a], &p.steps[b]) != free {
		return false
	}
	if p.makes[a] && p.makes[b] {
		return false // the threads would change their numbers
	}
	for _, f := range p.after[b] {
		if int(f) == a {
			return false
		}
	}
	return true
}

func explain(t *testing.T, p *played, i int) {
	if os.Getenv("SIM_SHOW") == "" {
		return
	}
	for j := range p.steps {
		mark := " "
		if j == p.index[i] {
			mark = ">"
		}
		t.Log(mark, j, fmt.Sprintf("%x", p.steps[j].actor), p.steps[j].uses, p.after[j])
	}
}

// TestSteps_OfLocksAndEventsCommute executes both orders of neighbouring steps whose footprints say that the
// order does not matter, from the states that random programs reach.
//
// Reference: scheduling.md 9.4, 17 (commutation test).
func TestSteps_OfLocksAndEventsCommute(t *testing.T) {
	pairs := 0
	for i := range thorough(150, 20) {
		p := randomProgram(ke.NewRandom(21, uint64(i)), len(acts), 8)
		pairs += commutes(t, fmt.Sprintf("program %d: %s", i, p.words(names(acts))), p.scene, 2, nil)
	}
	t.Logf("%d pairs", pairs)
	require.Greater(t, pairs, 500)
}

// TestSteps_OfRequestsCommute is the same for the routines of the I/O manager.
//
// Reference: scheduling.md 9.4, 17 (commutation test).
func TestSteps_OfRequestsCommute(t *testing.T) {
	pairs := 0
	for i := range thorough(40, 50) {
		r := ke.NewRandom(22, uint64(i))
		p := randomProgram(r, len(requests), 6)
		way := int(r.Next()%4) - 1
		pairs += commutes(t, fmt.Sprintf("program %d (%d): %s", i, way, p.words(names(requests))),
			scenario(p, way), 2, nil)
	}
	t.Logf("%d pairs", pairs)
	require.Greater(t, pairs, 500)
}

// thorough is n, more with SIM_THOROUGH=1, which .ci/run sets, and as many times more with SIM_THOROUGH=full,
// which takes ten minutes.
func thorough(n, times int) int {
	switch os.Getenv("SIM_THOROUGH") {
	case "":
		return n
	case "full":
		return n * times
	}
	return n * max(times/5, 1)
}

func names[S any](list []act[S]) []string {
	var out []string
	for i := range list {
		out = append(out, list[i].name)
	}
	return out
}
