package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// small is a scenario of three threads with five scheduling points each (scheduling.md 16).
func small(m *Machine) {
	for _, name := range []string{"a", "b", "c"} {
		m.Thread(name, func(k *ke.K) {
			for range 5 {
				touch(k, 0)
			}
		})
	}
	m.Run()
}

func BenchmarkExplore(b *testing.B) {
	b.ReportAllocs()
	s, err := explore.Parse("portfolio")
	require.NoError(b, err)
	e := &explorer{tb: b, o: ExploreOptions{Runs: b.N, Seed0: 1, Workers: 1, strategy: s}, fn: small,
		name: b.Name()}
	e.explore()
}
