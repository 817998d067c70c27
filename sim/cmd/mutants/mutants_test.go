package main

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The package itself is what is changed here: every change is behind its switch, on the line where it was,
// and the file still is one of Go.
func TestChanged_IsGo(t *testing.T) {
	t.Chdir("../../..")
	all, err := findPoints([]string{"sim/cmd/mutants"})
	require.NoError(t, err)
	points := choose(all, len(all), 1)
	require.Greater(t, len(points), 20)
	byFile := map[string][]*point{}
	for _, p := range points {
		byFile[p.file] = append(byFile[p.file], p)
	}
	for file, list := range byFile {
		text, err := changed(file, list)
		require.NoError(t, err)
		_, err = parser.ParseFile(token.NewFileSet(), file, text, 0)
		require.NoError(t, err, "%s", text)
		was, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, strings.Count(string(was), "\n"), strings.Count(text, "\n"), "%s", file)
		for _, p := range list {
			assert.Contains(t, text, p.with(p.id), "%v", p)
		}
	}
	for i, p := range points {
		for _, q := range points[:i] {
			assert.False(t, p.file == q.file && p.start < q.end && q.start < p.end, "%v lies in %v", p, q)
		}
	}
}

func TestChoose_IsThatOfTheSeed(t *testing.T) {
	t.Chdir("../../..")
	all, err := findPoints([]string{"sim/cmd/mutants"})
	require.NoError(t, err)
	names := func(seed uint64) (out []string) {
		for _, p := range choose(all, 10, seed) {
			out = append(out, p.String())
		}
		return out
	}
	assert.Equal(t, names(3), names(3))
	assert.NotEqual(t, names(3), names(4))
}
