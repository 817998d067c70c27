package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/sim/results"
)

// moduleRoot is where the examples of docs/ci are at home.
const moduleRoot = "../../.."

// ciFile reads a file of docs/ci.
func ciFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "ci", name))
	require.NoError(t, err)
	return string(b)
}

// field gives the one match of an expression in a file.
func field(t *testing.T, text, expr string) string {
	t.Helper()
	m := regexp.MustCompile("(?m)" + expr).FindStringSubmatch(text)
	require.NotNil(t, m, "%s is not there", expr)
	return strings.TrimSpace(m[1])
}

// plainEnv is the environment without what it says to simulations.
func plainEnv(more ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "SIM_") && !strings.HasPrefix(e, "JOB_COMPLETION_INDEX=") {
			env = append(env, e)
		}
	}
	return append(env, more...)
}

// run runs a command; a test that fails is no reason to stop.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.Env = dir, plainEnv(env...)
	out, err := c.CombinedOutput()
	if err != nil {
		var status *exec.ExitError
		require.ErrorAs(t, err, &status, "%s", out)
		require.Equal(t, exitFindings, status.ExitCode(), "%s", out)
	}
	return string(out)
}

// merged is what ksim merge --json says.
func merged(t *testing.T, dirs ...string) []*results.Summary {
	t.Helper()
	c := exec.Command("ksim", append([]string{"merge", "--json"}, dirs...)...)
	out, _ := c.Output() // findings make it exit with 1
	var sums []*results.Summary
	require.NoError(t, json.Unmarshal(out, &sums), "%s", out)
	return sums
}

// sameResults compares the union of shards with what one machine found.
func sameResults(t *testing.T, whole, parts []*results.Summary, shards int) (findings int) {
	t.Helper()
	require.NotEmpty(t, whole)
	require.Len(t, parts, len(whole))
	for i, w := range whole {
		p := parts[i]
		assert.Len(t, p.Present, shards)
		assert.Equal(t, shards, p.Shards)
		assert.Empty(t, p.Missing)
		assert.Equal(t, w.Asked, w.Runs, "%s: one machine made every run", w.Test)
		p.Present, p.Shards = w.Present, w.Shards
		assert.Equal(t, w, p, w.Test)
		findings += len(w.Findings)
	}
	return findings
}

// The pods of the manifest, as processes: the command, the arguments and the environment it gives them, and
// the index Kubernetes gives them. Only the number of runs is smaller, and the directory another one.
func TestCI_IndexedJobFindsWhatOneMachineFinds(t *testing.T) {
	t.Parallel()
	text := ciFile(t, "k8s-indexed-job.yaml")
	require.Equal(t, "Indexed", field(t, text, `^  completionMode: (.*)$`))
	pods, err := strconv.Atoi(field(t, text, `^  completions: (\d+)$`))
	require.NoError(t, err)
	shardsName := field(t, text, `^            - name: (\S+)`)
	shards := field(t, text, `^              value: "(\d+)"$`)
	assert.Equal(t, strconv.Itoa(pods), shards, "as many shards as pods")
	binary := field(t, text, `^          command: \["\./(.*)"\]$`)
	mount := field(t, text, `^              mountPath: (.*)$`)
	block := field(t, text, `^          args:\n((?: +- -.*\n)+)`)
	var args []string
	for _, l := range strings.Split(block, "\n") {
		args = append(args, strings.TrimPrefix(strings.TrimSpace(l), "- "))
	}
	scaled := func(out string) []string {
		var a []string
		for _, arg := range args {
			switch name, value, _ := strings.Cut(arg, "="); name {
			case "-test.run":
				arg = name + "=" + value + "|EveryDefect" // clean ones, and such that find something
			case "-sim.runs":
				arg = name + "=120"
			case "-sim.out":
				require.Equal(t, mount, value)
				arg = name + "=" + out
			}
			a = append(a, arg)
		}
		return a
	}
	all := map[string]int{"irp-passthrough": 3}
	if os.Getenv("SIM_THOROUGH") != "" {
		all["inverted-call"], all["connect-redirect"] = 2, 8
	}
	for scenario, atLeast := range all {
		dir := t.TempDir()
		run(t, moduleRoot, nil, "go", "test", "-c", "-o", filepath.Join(dir, binary),
			"./docs/examples/"+scenario+"/scenario")
		whole, volume := filepath.Join(dir, "whole"), filepath.Join(dir, "volume")
		run(t, dir, nil, "./"+binary, scaled(whole)...)
		for i := range pods {
			env := []string{shardsName + "=" + shards, "JOB_COMPLETION_INDEX=" + strconv.Itoa(i)}
			run(t, dir, env, "./"+binary, scaled(volume)...)
		}
		n := sameResults(t, merged(t, whole), merged(t, volume), pods)
		assert.GreaterOrEqual(t, n, atLeast, scenario)
		t.Logf("%s: %d pods and one machine found the same %d signatures", scenario, pods, n)
	}
}

// What the page lists is what there is.
func TestCI_PageNamesTheSettings(t *testing.T) {
	page := ciFile(t, "README.md")
	help := run(t, ".", nil, os.Args[0], "-test.run=^$", "-help")
	for _, m := range regexp.MustCompile("`(-sim\\.\\w+)").FindAllStringSubmatch(page, -1) {
		assert.Regexp(t, `(?m)^  `+m[1]+`( |$)`, help)
	}
	for _, m := range regexp.MustCompile("`(SIM_\\w+)").FindAllStringSubmatch(page, -1) {
		if m[1] != "SIM_SHARDS" {
			assert.Contains(t, help, "(or "+m[1]+")")
		}
	}
	for _, m := range regexp.MustCompile(`\]\((\S+)\)`).FindAllStringSubmatch(page, -1) {
		assert.FileExists(t, filepath.Join(moduleRoot, "docs", "ci", m[1]))
	}
}
