package kevec

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lines(t *testing.T) [][]byte {
	t.Helper()
	b, err := os.ReadFile("testdata/ke_vectors.jsonl")
	require.NoError(t, err)
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

// Reference: ke_vectors.md.
func TestRun_RecordedVectorsMatch(t *testing.T) {
	played := 0
	for _, line := range lines(t) {
		var head struct{ ID, Family string }
		require.NoError(t, json.Unmarshal(line, &head))
		t.Run(head.ID, func(t *testing.T) {
			mismatch, err := Run(line)
			require.NoError(t, err)
			assert.Empty(t, mismatch)
		})
		played++
	}
	assert.Equal(t, 56, played)
}

func TestRun_ReportsDifferences(t *testing.T) {
	line := `{"id":"x","setup":{"ops":[["event",0,"notification",false],["wait",0],["set",0]]},` +
		`"trace":[{"ev":"wait","obj":0,"ret":"0x00000000"}]}`
	mismatch, err := Run([]byte(line))
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(mismatch, "\n"))
	assert.Contains(t, mismatch, "x event 0")
	assert.Contains(t, mismatch, "recorded nothing")
}

func TestRun_BadRecordsAreErrors(t *testing.T) {
	for _, ops := range []string{`["fly",0]`, `["set",0]`, `["event",9,"notification",false]`, `["event",0]`,
		`["wait_multiple","any",[3]]`, `["release_remove_lock","and_leave"]`, `["wait","zero"]`} {
		_, err := Run([]byte(`{"id":"x","setup":{"ops":[` + ops + `]},"trace":[]}`))
		assert.Error(t, err, ops)
	}
	_, err := Run([]byte(`{`))
	assert.Error(t, err)
}
