package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// workflow is what a file of GitHub Actions says, as far as a shell can do it.
type workflow struct {
	Jobs map[string]struct {
		Strategy struct {
			Matrix map[string][]string
		}
		Env   map[string]string
		Steps []step
	}
}

// step is one step of a job.
type step struct {
	Uses, Run string
	With      map[string]string
}

// drivers are two packages of a repository: one has a mistake that a failure brings out, one has none.
const driversTxt = `package PKG

import (
	"testing"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

func TestDriver(t *testing.T) {
	sim.Explore(t, sim.ExploreOptions{Runs: 50}, func(m *sim.Machine) {
		var dev *irp.DEVICE_OBJECT
		m.Load("d.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
				irp.IoDeleteSymbolicLink(k, "\\??\\D")
				irp.IoDeleteDevice(k, dev)
			}
			s := irp.IoCreateDevice(k, drv, 0, "\\Device\\D", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
			if !ntstatus.NT_SUCCESS(s) {
				return s
			}
			if s = irp.IoCreateSymbolicLink(k, "\\??\\D", "\\Device\\D"); !ntstatus.NT_SUCCESS(s) && CAREFUL {
				irp.IoDeleteDevice(k, dev)
			}
			return s
		})
		m.Unload("d.sys")
	})
}
`

// repository makes a module with two drivers that has ksim as a tool.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(moduleRoot)
	require.NoError(t, err)
	files := map[string]string{
		"go.mod": "module example.com/drivers\n\ngo 1.26.0\n\nrequire calloutsim v0.0.0\n\n" +
			"replace calloutsim => " + root + "\n",
		"good/driver_test.go": strings.NewReplacer("PKG", "good", "CAREFUL", "true").Replace(driversTxt),
		"bad/driver_test.go":  strings.NewReplacer("PKG", "bad", "CAREFUL", "false").Replace(driversTxt),
		"other/other.go":      "package other\n",
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	out := shell(t, dir, nil, "go get -tool calloutsim/sim/cmd/ksim")
	require.FileExists(t, filepath.Join(dir, "go.sum"), out)
	return dir
}

// shell runs a step as a runner does. Findings make a step fail.
func shell(t *testing.T, dir string, env []string, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = plainEnv(append(env, "GOFLAGS=-mod=mod", "SIM_NOSAVE=true")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s\n%s", script, out) // the code of go tool
	}
	return string(out)
}

// Every command of the workflow in docs/ci, in a repository of its own: four jobs, and the one that puts
// their results together. Only the number of runs is smaller.
func TestWorkflow_InARepository(t *testing.T) {
	var w workflow
	require.NoError(t, yaml.Unmarshal([]byte(ciFile(t, "workflow.yml")), &w))
	dir := repository(t)
	scaled := strings.NewReplacer("--seeds 1-1000000", "--seeds 1-80", "--budget 20m", "--budget 5m")
	of := func(text, shard string) string { return strings.ReplaceAll(text, "${{ matrix.shard }}", shard) }

	whole := shell(t, dir, nil, "go tool ksim explore ./... --seeds 1-80 --keepgoing --out whole")
	assert.Contains(t, whole, "1 package without simulator tests")
	shards := w.Jobs["shard"].Strategy.Matrix["shard"]
	require.Len(t, shards, 4)
	artifacts := map[string]string{} // by name: the folder
	for _, i := range shards {
		env := []string{"GITHUB_WORKSPACE=" + dir}
		for name, value := range w.Jobs["shard"].Env {
			env = append(env, name+"="+of(value, i))
		}
		for _, s := range w.Jobs["shard"].Steps {
			if s.Run != "" {
				require.Contains(t, s.Run, "--seeds 1-1000000")
				out := shell(t, dir, env, scaled.Replace(s.Run))
				assert.Contains(t, out, "shard "+i+" of 4 complete: 20 of 20 runs")
			}
			if strings.HasPrefix(s.Uses, "actions/upload-artifact@") {
				kept := filepath.Join(t.TempDir(), "artifact")
				require.NoError(t, os.Rename(filepath.Join(dir, s.With["path"]), kept))
				artifacts[of(s.With["name"], i)] = kept
			}
		}
	}
	require.Len(t, artifacts, 4)
	summary := filepath.Join(dir, "summary.md")
	said := ""
	for _, s := range w.Jobs["merge"].Steps {
		switch {
		case s.Run != "":
			env := []string{"GITHUB_WORKSPACE=" + dir, "GITHUB_STEP_SUMMARY=" + summary}
			said += shell(t, dir, env, s.Run)
		case strings.HasPrefix(s.Uses, "actions/download-artifact@"):
			for name, kept := range artifacts {
				to := filepath.Join(dir, s.With["path"], name)
				require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
				require.NoError(t, os.Rename(kept, to))
			}
		case strings.Contains(s.Uses, "upload-sarif"):
			assert.FileExists(t, filepath.Join(dir, s.With["sarif_file"]))
		}
	}
	assert.Contains(t, said, "\n::error file=bad/driver_test.go,line=")
	assert.Contains(t, said, "2 explorations, 160 runs, 1 finding")
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Contains(t, string(text), "| TestDriver | UNLOAD-006 ")

	parts, err := filepath.Glob(filepath.Join(dir, "shards", "*"))
	require.NoError(t, err)
	n := sameResults(t, merged(t, filepath.Join(dir, "whole")), merged(t, parts...), 4)
	assert.Equal(t, 1, n, fmt.Sprint(parts))
}
