package irpvec

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/verify"
)

// expected maps the recorder's words to rules (irp_vectors.md).
func expected(text string) string {
	switch {
	case strings.Contains(text, "for a location never marked pending"):
		return "IRP-007"
	case strings.Contains(text, "for a location marked pending"):
		return "IRP-006"
	case strings.Contains(text, "does not propagate pending"):
		return "IRP-011"
	case strings.Contains(text, "skip after mark_pending"):
		return "IRP-015"
	}
	return text
}

func TestVectors_AllEventsMatchAndErrorsAreTheRecordedOnes(t *testing.T) {
	f, err := os.Open("testdata/irp_vectors.jsonl")
	require.NoError(t, err)
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	n := 0
	for sc.Scan() {
		r, err := Play(sc.Bytes())
		require.NoError(t, err)
		if d := r.Diff(); d != "" {
			t.Errorf("%s", d)
		}
		var want, got []string
		for _, v := range r.Violations {
			want = append(want, expected(v))
		}
		for i := range r.Findings {
			if r.Findings[i].Severity() == verify.Error {
				got = append(got, r.Findings[i].Rule.String())
			}
		}
		assert.ElementsMatch(t, want, got, "%s: errors reported", r.ID)
		n++
	}
	require.NoError(t, sc.Err())
	require.Equal(t, 828, n)
}
