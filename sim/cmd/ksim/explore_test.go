package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/sim/results"
)

// broken is a test with n findings.
func broken(n int) *verdict {
	s := &results.Summary{Plan: results.Plan{Package: "m/p", Test: "TestA", Asked: 10, Shards: 1}, Runs: 10}
	for i := range n {
		s.Findings = append(s.Findings, results.Finding{Severity: results.Error, Rules: []string{"IRP-001"},
			Name: "irp/DoubleCompletion", Headline: fmt.Sprintf("IRP-001: irp#%d, 100%% | sure\nnot", i),
			File: "a.go", Line: 7, Replay: "go test", Report: "the report <&>\x00"})
	}
	return &verdict{pkg: "m/p", test: "TestA", failed: n > 0, sums: []*results.Summary{s}}
}

func TestGitHub_EscapesAndCounts(t *testing.T) {
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	var b bytes.Buffer
	src := &sources{files: map[string][]source{"a.go": {{"m/p", "dir,1/a.go"}}}}
	require.NoError(t, github(&b, []*verdict{broken(13)}, src))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 11)
	assert.Equal(t, "::error file=dir%2C1/a.go,line=7,title=IRP-001 irp/DoubleCompletion::a.go:7: IRP-001 "+
		"irp/DoubleCompletion: irp#0, 100%25 | sure%0Anot%0Ago test", lines[0])
	assert.Equal(t, "3 findings not annotated; all are in the summary of the job", lines[10])
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Equal(t, 13, strings.Count(string(text), "| TestA | IRP-001 irp/DoubleCompletion | "))
	assert.Contains(t, string(text), `100% \| sure not | `+"`go test` |")
}

func TestJUnit_IsReadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "junit.xml")
	other := &verdict{pkg: "m/q", test: "TestB", skipped: true}
	require.NoError(t, writeJUnit(file, []*verdict{broken(2), broken(0), other}))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var all junitSuites
	require.NoError(t, xml.Unmarshal(text, &all))
	require.Len(t, all.Suites, 2)
	p := all.Suites[0]
	assert.Equal(t, []int{2, 1, 0}, []int{p.Tests, p.Failures, p.Skipped})
	require.Len(t, p.Cases[0].Failures, 2)
	assert.Equal(t, "IRP-001 irp/DoubleCompletion", p.Cases[0].Failures[0].Type)
	assert.Equal(t, "the report <&>\uFFFD", p.Cases[0].Failures[0].Text)
	assert.Equal(t, "complete: 10 of 10 runs", p.Cases[1].Out)
	assert.Equal(t, 1, all.Suites[1].Skipped)
}

func TestProgress_SaysRateAndWhatIsLeft(t *testing.T) {
	first := sample{runs: 100, asked: 1000}
	now := sample{at: 10 * time.Second, test: "TestA", runs: 400, asked: 1000, traces: 377}
	assert.Equal(t, "TestA 377 distinct traces, 30 runs/s, 21s left", now.words(&first))
	assert.Equal(t, "0 distinct traces", first.words(&first), "nothing is known yet")
}

func TestProgress_LooksAtTheResults(t *testing.T) {
	dir := t.TempDir()
	s := results.Shard{Header: results.Header{Schema: results.Schema, Shard: 1,
		Plan: results.Plan{Test: "TestA", First: 1, Asked: 100, Shards: 3}},
		Counters: results.Counters{State: results.Running, Runs: 9}}
	s.Coverage.Traces.Add(5)
	require.NoError(t, s.Save(dir))
	want := sample{at: time.Second, test: "TestA", runs: 9, asked: 34, traces: 1}
	assert.Equal(t, want, take(dir, time.Second))
	assert.Equal(t, sample{}, take(filepath.Join(dir, "nosuch"), 0))
}

func TestProgress_IsDrawnAndGoes(t *testing.T) {
	dir := t.TempDir()
	s := results.Shard{Header: results.Header{Schema: results.Schema,
		Plan: results.Plan{Test: "TestA", First: 1, Asked: 100, Shards: 1}},
		Counters: results.Counters{State: results.Running, Runs: 40}}
	require.NoError(t, s.Save(dir))
	var b bytes.Buffer
	stop := draw(&b, dir, time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	stop()
	assert.Contains(t, b.String(), "TestA 0 distinct traces")
	assert.Contains(t, b.String(), "40/100")
}

// Without a terminal there is a line now and then.
func TestProgress_IsToldWhereThereIsNoTerminal(t *testing.T) {
	dir := t.TempDir()
	s := results.Shard{Header: results.Header{Schema: results.Schema,
		Plan: results.Plan{Test: "TestA", First: 1, Asked: 100, Shards: 1}},
		Counters: results.Counters{State: results.Running, Runs: 40}}
	require.NoError(t, s.Save(dir))
	var b bytes.Buffer
	stop := tell(&b, dir, time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	stop()
	assert.Regexp(t, `^ksim: 0s: 40 of 100 runs, TestA 0 distinct traces\n`, b.String())
	assert.Equal(t, 30*time.Second, sayEvery)
}

func TestProgress_OnATerminalOnly(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer f.Close()
	stop := showProgress(f, t.TempDir())
	time.Sleep(2 * pollEvery)
	stop()
	st, err := f.Stat()
	require.NoError(t, err)
	assert.Zero(t, st.Size())
}
