package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// search gives the ways to end that dpor finds, with steps that take in accesses or without; split says that
// the former does not do.
func (r *real) search(t *testing.T, limit int, larger bool) (ends []string, runs int, all, split bool) {
	m := ke.New(ke.Config{})
	defer m.Close()
	s := &Search{Bounds: noFaults, Reduce: true, Trail: &ke.Trail{Parts: larger}}
	found := map[string]bool{}
	for more := true; more; runs++ {
		if runs == limit {
			return nil, runs, false, false
		}
		m.Reset(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded, MemPoints: !larger,
			Events: ke.Off})
		r.scene(m)
		m.Run(nil)
		if !m.WasCut() {
			found[r.end(t, m)] = true
		}
		more = s.End(m) && !s.Split()
		require.NoError(t, s.Err())
	}
	return sortedEnds(found), runs, true, s.Split()
}

// walks makes random runs, each of which must end in one of the ways.
func (r *real) walks(t *testing.T, program int, ends []string) int {
	m := ke.New(ke.Config{})
	defer m.Close()
	const each = 16
	for i := range 6 * each {
		cfg := ke.Config{Source: mute{picker{ke.NewRandom(5, uint64(i)), nil}}, Events: ke.Off,
			Processors: []int{1, 2, ke.Unbounded}[i%3], MemPoints: i%2 == 0}
		m.Reset(cfg)
		r.scene(m)
		m.Run(nil)
		require.Contains(t, ends, r.end(t, m), "program %d: %s, processors %d", program, r.p, cfg.Processors)
	}
	return 6 * each
}
