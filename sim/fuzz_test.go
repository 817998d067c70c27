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

func TestVary_IsDeterminedByTheInput(t *testing.T) {
	in := []byte{0, 1, 0, 2}
	seen := map[string]bool{}
	for i := range variations + 1 {
		got := vary(in, i)
		assert.Equal(t, got, vary([]byte{0, 1, 0, 2}, i))
		seen[string(got)] = true
	}
	assert.Equal(t, in, vary(in, 0))
	assert.Equal(t, []byte{0, 1, 0, 2}, in, "the input is left as it is")
	assert.Greater(t, len(seen), 10)
	assert.NotEqual(t, vary(in, 1), vary([]byte{0, 1, 0, 3}, 1))
	for i := range variations {
		assert.NotPanics(t, func() { vary(nil, i) })
	}
}

// The boring run loses no update; one of its variations does, and is reported in its simplest form.
func TestFuzz_VariationsOfTheBoringRunFail(t *testing.T) {
	tb := &replayTB{TB: t}
	assert.NotNil(t, apart(&runTB{}, func() { Fuzz(tb, nil, lostUpdate) }))
	require.Len(t, tb.errors, 1)
	assert.Regexp(t, `run \d+ of 17 failed: counter is 1\n`, tb.errors[0])
	assert.Contains(t, tb.errors[0], "1 choice, 1 interruption")
	assert.Contains(t, tb.errors[0], "REPLAY:         go test -run '^"+t.Name()+"$'")
	assert.NotContains(t, tb.errors[0], "kept in")
	Fuzz(t, nil, counter("fixed"))
	assert.False(t, fuzzing())
}
