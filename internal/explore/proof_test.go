package explore

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/explore/corpus"
	"calloutsim/internal/ke"
)

// wholeCorpus is what a search saw of a scenario of the corpus.
type wholeCorpus struct {
	runs, whole int
	first       int // run with the first bug, 0 none
	finished    bool
	outcomes    map[uint64]bool
	orders      map[uint64]bool
}

func searchCorpus(t *testing.T, c *corpus.Scenario, s *Search, limit int, stop bool) wholeCorpus {
	t.Helper()
	w := wholeCorpus{outcomes: map[uint64]bool{}, orders: map[uint64]bool{}}
	m := ke.New(ke.Config{})
	defer m.Close()
	for w.runs < limit {
		m.Reset(c.Config(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded,
			MemPoints: true,
			Events:    ke.Off, MaxSteps: 20_000}))
		verdict := c.Run(m)
		w.runs++
		cut := m.WasCut()
		if verdict != "" && w.first == 0 {
			w.first = w.runs
		}
		more := s.End(m)
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		if !cut {
			w.whole++
			w.orders[s.Order()] = true
			if verdict == "" {
				w.outcomes[s.Trail.Outcome()] = true
			}
		}
		if w.finished = !more; w.finished || stop && w.first != 0 {
			break
		}
	}
	return w
}

// Reference: scheduling.md 17 (reduction oracle, closed forms, known-bug corpus).
func TestSearch_CorpusIsProvedAndItsBugsAreFound(t *testing.T) {
	limit := 2000
	if os.Getenv("SIM_THOROUGH") != "" {
		limit = 100_000
	}
	proved, found, large := 0, 0, 0
	for _, c := range corpus.All() {
		t.Run(c.Name, func(t *testing.T) {
			dpor := &Search{Bounds: NoBounds, Reduce: true, Trail: &ke.Trail{Outcomes: true}}
			short := searchCorpus(t, &c, dpor, limit, true)
			t.Logf("DPOR: %d runs, %d whole, finished %v, bug at run %d", short.runs, short.whole,
				short.finished, short.first)
			switch {
			case short.first > 0:
				found++
				assert.NotEmpty(t, c.Bug, "a bug where there is none")
				return
			case !short.finished:
				large++
				return
			}
			proved++
			assert.Empty(t, c.Bug, "DPOR came to its end and saw no bug")
			if c.Orders > 0 {
				assert.Equal(t, int(c.Orders), short.whole, "closed form")
			}
			assert.Len(t, short.orders, short.whole, "each partial order once")
			dfs := &Search{Bounds: NoBounds, Trail: &ke.Trail{Outcomes: true}, Orders: true}
			plain := searchCorpus(t, &c, dfs, limit, false)
			if plain.finished && !dpor.Polled {
				assert.Equal(t, plain.outcomes, short.outcomes)
				assert.Equal(t, plain.orders, short.orders)
			}
		})
	}
	t.Logf("%d scenarios proved, %d bugs found, %d too large for %d runs", proved, found, large, limit)
}
