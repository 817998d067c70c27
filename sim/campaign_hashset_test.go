package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
)

func TestHashSet_IsASet(t *testing.T) {
	var s hashSet
	want := map[uint64]bool{}
	r := ke.NewRandom(3, 1)
	for range 20_000 {
		h := r.Next() % 7000 // crowded, and 0 among them
		s.add(h)
		want[h] = true
		if len(want)%1000 == 0 {
			assert.Equal(t, len(want), s.size())
		}
	}
	assert.Equal(t, len(want), s.size())
	assert.True(t, s.zero)
}
