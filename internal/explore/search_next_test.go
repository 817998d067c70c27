package explore

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// state of a subsystem, which whoever comes first makes for all.
type firstComes struct{ id trace.ID }

var firstCome = ke.NewSlot(func(m *ke.Machine) *firstComes { return &firstComes{m.NewID(trace.Engine)} })

// What a step makes for itself is left out of what is remembered of it, a table with the same number is not;
// what all share, and only the run has named, is remembered as something that anything may touch.
func TestNext_KeepsWhatOthersCanUse(t *testing.T) {
	m := ke.New(ke.Config{})
	defer m.Close()
	s := &Search{Bounds: noFaults, Reduce: true, Trail: &ke.Trail{}}
	m.Reset(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded, Events: ke.Off})
	table, word, var0 := ke.Table(trace.Registration, 1), ke.Table(trace.Queue, 1), new(int32)
	var own trace.ID
	steps := []func(k *ke.K){
		func(k *ke.K) {
			own = ke.Of(k).NewID(trace.Registration)
			ke.Adds(k, ke.Writes(own))
			ke.Adds(k, ke.Writes(ke.Beside.Of(own)))
			ke.Adds(k, ke.Writes(table))
		},
		func(k *ke.K) { ke.Adds(k, ke.Writes(firstCome.Of(k).id)) },
		func(k *ke.K) { ke.Adds(k, ke.Writes(ke.AddrID(k, var0))) },
		func(k *ke.K) { ke.Adds(k, ke.Writes(ke.Of(k).CommonID(trace.Process))) },
	}
	m.NewThread("t", nil, func(k *ke.K) {
		for _, do := range steps {
			ke.Point(k, ke.Writes(word))
			do(k)
		}
	})
	m.Run(nil)
	require.Equal(t, table.Num()&0xff, own.Num(), "they have the same number")
	var got []bool
	for i := range s.Trail.Steps {
		if !slices.Contains(s.Trail.Uses(i), ke.Writes(word)) {
			continue
		}
		next, ok := s.Trail.Next(i)
		if got = append(got, ok); len(got) == 1 {
			assert.Contains(t, next, ke.Writes(table))
			assert.NotContains(t, next, ke.Writes(own))
			assert.NotContains(t, next, ke.Writes(ke.Beside.Of(own)))
		}
		assert.Equal(t, ok, !slices.Contains(s.next(i), ke.Unknown))
	}
	assert.Equal(t, []bool{true, false, false, false}, got)
	require.False(t, s.End(m))
}
