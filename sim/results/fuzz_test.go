package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecode: a file of results is refused, or it is read, can be put together with itself and described, and
// is written as it was read.
func FuzzDecode(f *testing.F) {
	s := &Shard{Header: Header{Schema: Schema, Plan: Plan{Package: "p", Test: "TestX", Scenario: "1",
		Strategy: "random", First: 1, Asked: 4, Shards: 2}}}
	s.Counters.State = Running
	s.Coverage.Traces.Add(7)
	s.Findings = []Finding{{Severity: Error, Rules: []string{"IRP-001"}, Signature: "s", Run: 1}}
	var b bytes.Buffer
	require.NoError(f, s.Encode(&b))
	_, err := Decode(strings.NewReader(b.String()))
	require.NoError(f, err)
	f.Add(b.String())
	f.Add(strings.Replace(b.String(), "Shards", "shards", 1))
	f.Add("")
	f.Add("{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Decode(strings.NewReader(text))
		if err != nil {
			return
		}
		var u Union
		require.NoError(t, u.Add(s))
		for _, sum := range u.Summaries() {
			_ = sum.Coverage()
		}
		var b bytes.Buffer
		require.NoError(t, s.Encode(&b))
		again, err := Decode(bytes.NewReader(b.Bytes()))
		require.NoError(t, err, b.String())
		require.Equal(t, s.Header, again.Header)
	})
}
