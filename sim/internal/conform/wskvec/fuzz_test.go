package wskvec

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPlay reads and plays any line as a record: it is refused, or it is played to an end, in the same way
// each time.
func FuzzPlay(f *testing.F) {
	b, err := os.ReadFile("testdata/wsk_vectors.jsonl")
	require.NoError(f, err)
	for i, line := range strings.Split(string(b), "\n") {
		if i%7 == 0 {
			f.Add(line)
		}
	}
	f.Add(`{"id":"x","setup":{"ops":[[]]},"trace":[]}`)
	f.Add(`{"id":"x","certainty":"class","setup":{"ops":[["register"]]},"trace":[]}`)
	f.Fuzz(func(t *testing.T, line string) {
		one, err := Run([]byte(line))
		if err != nil {
			require.Empty(t, one)
			return
		}
		two, err := Run([]byte(line))
		require.NoError(t, err)
		require.Equal(t, one, two)
	})
}
