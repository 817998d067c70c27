package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

var fuzzSite = ke.Site{Name: "test/fuzz", Spec: "ux.md 2"}

// TestFromChoices_BytesAnswerAndThenTheBoringOne: one byte a choice, modulo the number of alternatives.
func TestFromChoices_BytesAnswerAndThenTheBoringOne(t *testing.T) {
	m := FromChoices(t, []byte{2, 7, 0, 1})
	var got []int
	for range 6 {
		got = append(got, m.Kernel().Choose(&fuzzSite, 5))
	}
	assert.Equal(t, []int{2, 2, 0, 1, 0, 0}, got)
	require.Len(t, m.Token().Deviations, 3)
}
