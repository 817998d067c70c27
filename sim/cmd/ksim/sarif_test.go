package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"

	"calloutsim/sim"
	"calloutsim/sim/results"
)

// foundIn explores a scenario that breaks a rule and gives the verdict.
func foundIn(t *testing.T, name string) *verdict {
	t.Helper()
	s, ok := scenarioNamed(name)
	require.True(t, ok)
	dir := t.TempDir()
	o := sim.ExploreOptions{Runs: 20}
	o.Out = dir
	_, err := sim.ExploreScenario(s, o)
	require.NoError(t, err)
	sums, err := mergeDirs([]string{dir})
	require.NoError(t, err)
	return &verdict{pkg: "m/p", test: name, sums: sums}
}

func scenarioNamed(name string) (sim.Scenario, bool) {
	for _, s := range scenarios() {
		if s.Name == name {
			return s, true
		}
	}
	return sim.Scenario{}, false
}

// schemaOfSARIF is the official schema, which the library carries as a constant that it does not export. Its
// own check is of what it would write, with empty lists and languages that are not in the file.
func schemaOfSARIF(t *testing.T) string {
	t.Helper()
	dir, err := goSays(".", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3")
	require.NoError(t, err, dir)
	text, err := os.ReadFile(filepath.Join(dir, "pkg/report/v210/sarif/schema.go"))
	require.NoError(t, err)
	_, schema, ok := strings.Cut(string(text), "`")
	require.True(t, ok)
	schema = schema[:strings.LastIndexByte(schema, '`')]
	require.Contains(t, schema, "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema")
	return schema
}

// The file is one of the schema of SARIF 2.1.0, which the library has.
func TestSARIF_IsValid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ksim.sarif")
	assertion := &verdict{pkg: "m/p", test: "TestA", failed: true, output: "    a_test.go:12: counter is 1\n"}
	build := &verdict{pkg: "m/q", test: "TestMain", failed: true, build: true,
		output: "# m/q\n./b.go:7:2: no\n"}
	kind := broken(1)
	kind.sums[0].Findings[0].Rules = []string{"livelock"}
	verdicts := []*verdict{foundIn(t, "irp-passthrough-double"), assertion, build, kind, broken(0)}
	require.NoError(t, writeSARIF(file, verdicts, nil))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var log sarif.Report
	require.NoError(t, d.Decode(&log), "nothing that SARIF does not know")
	result, err := gojsonschema.Validate(gojsonschema.NewStringLoader(schemaOfSARIF(t)),
		gojsonschema.NewBytesLoader(text))
	require.NoError(t, err)
	require.Empty(t, result.Errors())

	require.Len(t, log.Runs, 1)
	run := log.Runs[0]
	require.Len(t, run.Results, 4)
	require.Len(t, run.Tool.Driver.Rules, 4)
	first := run.Results[0]
	assert.Equal(t, "IRP-005", *first.RuleID)
	assert.Len(t, first.PartialFingerprints, 1)
	assert.NotEmpty(t, first.RelatedLocations, "where the request was given away")
	rule := run.Tool.Driver.Rules[0]
	assert.Equal(t, "irp/TouchedAfterGivenAway", *rule.Name)
	assert.Contains(t, *rule.Help.Markdown, "IRP-005")
	assert.NotEmpty(t, *rule.Help.Text)
	assert.Equal(t, ruleTestFailed, *run.Results[1].RuleID)
	assert.Equal(t, 12, *run.Results[1].Locations[0].PhysicalLocation.Region.StartLine)
	assert.Equal(t, "b.go", *run.Results[2].Locations[0].PhysicalLocation.ArtifactLocation.URI)
	assert.Equal(t, "livelock", *run.Results[3].RuleID)
}

// A fingerprint stays when lines move.
func TestSARIF_FingerprintsDoNotKnowLines(t *testing.T) {
	v := &verdict{}
	f := results.Finding{Signature: "IRP-001 a", File: "a.go", Line: 1}
	g := results.Finding{Signature: "IRP-001 a", File: "a.go", Line: 9}
	h := results.Finding{Signature: "IRP-001 b", File: "a.go", Line: 1}
	of := func(f results.Finding) string { return sarifResultOf(v, &f, nil).Prints[fingerprint] }
	assert.Equal(t, of(f), of(g))
	assert.NotEqual(t, of(f), of(h))
}
