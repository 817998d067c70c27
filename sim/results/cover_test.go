package results

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCover_EveryDefectOnce(t *testing.T) {
	signatures := []string{"a", "a\nb", "a", "c", "a\nb\nc", "b\nc", "c\na"}
	assert.Equal(t, []int{0, 1, 0, 3, 0, 1, 3}, Cover(signatures))
	assert.Empty(t, Cover(nil))
}

// Shards that met the defects together and alone add up to one finding for each.
func TestUnion_CountsRunsThatFailAlike(t *testing.T) {
	var u Union
	for i, findings := range [][]Finding{
		{{Signature: "a", Run: 3, Failing: 4}, {Signature: "a\nb", Run: 7, Failing: 2}},
		{{Signature: "a\nb", Run: 2, Failing: 5}, {Signature: "b", Run: 8, Failing: 1}},
	} {
		s := &Shard{Header: Header{Schema: Schema, Plan: plan("TestA", 2), Shard: i}, Findings: findings}
		for j := range s.Findings {
			s.Findings[j].Severity = Error
		}
		s.Counters.State = Complete
		require.NoError(t, u.Add(s))
	}
	got := u.Summaries()[0].Findings
	require.Len(t, got, 1)
	assert.EqualValues(t, 2, got[0].Run)
	assert.Equal(t, 12, got[0].Failing)
}
