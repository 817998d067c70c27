package wskvec

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
	b, err := os.ReadFile("testdata/wsk_vectors.jsonl")
	require.NoError(t, err)
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

// Reference: wsk_vectors.md.
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
	assert.Equal(t, 28, played)
}

func TestRun_ReportsDifferences(t *testing.T) {
	line := `{"id":"x","certainty":"exact","setup":{"ops":[["register"],["deregister"]]},` +
		`"trace":[{"ev":"register","ret":"0xc0000001"}]}`
	mismatch, err := Run([]byte(line))
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(mismatch, "\n"))
	assert.Contains(t, mismatch, "x event 0")
	assert.Contains(t, mismatch, "recorded nothing")
}

// A call may pend, or end at once with what its request is completed with.
func TestRun_PendingOrNot(t *testing.T) {
	for ret, alike := range map[string]bool{"0x00000103": true, "0x00000000": true, "0xc0000001": false} {
		line := `{"id":"x","certainty":"exact","setup":{"ops":[["register"],["capture",0],` +
			`["socket",0,2,1,6,"listen"],["await",0],["take",0,0],["close",0,1],["await",1]]},"trace":[` +
			`{"ev":"register","ret":"0x00000000"},` +
			`{"ev":"capture","ret":"0x00000000","client":true,"version_at_least_1_0":true},` +
			`{"ev":"socket","irp":0,"ret":"` + ret + `"},` +
			`{"ev":"completed","irp":0,"times":1,"status":"0x00000000","info":"socket"},` +
			`{"ev":"take","socket":0,"irp":0,"nonnull":true},{"ev":"close","irp":1,"ret":"0x00000103"},` +
			`{"ev":"completed","irp":1,"times":1,"status":"0x00000000","info":0}]}`
		mismatch, err := Run([]byte(line))
		require.NoError(t, err)
		assert.Equal(t, alike, mismatch == "", mismatch)
	}
}

func TestRun_BadRecordsAreErrors(t *testing.T) {
	for _, ops := range []string{`["fly",0]`, `["socket",0]`, `["socket",12,2,1,6,"listen"]`,
		`["socket",0,2,1,6,"raw"]`, `["bind",0,0,"any","P9"]`, `["await",0]`, `["data",0,65536,1]`,
		`["send",0,0,0,0,1]`, `[]`} {
		_, err := Run([]byte(`{"id":"x","certainty":"exact","setup":{"ops":[` + ops + `]},"trace":[]}`))
		assert.Error(t, err, ops)
	}
	_, err := Run([]byte(`{`))
	assert.Error(t, err)
}
