//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endless starts ksim and waits until it is under way.
func endless(t *testing.T, begun func() bool, args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd = exec.Command("ksim", args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.Eventually(t, begun, 2*time.Minute, 50*time.Millisecond, "%v: %s", args, out)
	time.Sleep(300 * time.Millisecond)
	return cmd, out
}

// resultsIn reports whether an exploration has written down what it has.
func resultsIn(dir string) func() bool {
	return func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		return len(found) > 0
	}
}

// alive counts the processes with this word in their arguments.
func alive(word string) (n int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(word)) {
			n++
		}
	}
	return n
}

// A command that is told to end says what it has; no process of it survives.
func TestSignals_ExploreSaysWhatItHas(t *testing.T) {
	for _, c := range []struct {
		what, name string
		sig        syscall.Signal
		code       int
	}{
		{"connect-redirect", "connect-redirect", syscall.SIGINT, 130},
		{"./testdata/endless", "endless", syscall.SIGTERM, 143},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			junit := filepath.Join(dir, "junit.xml")
			results := filepath.Join(dir, "results")
			cmd, out := endless(t, resultsIn(results), "explore", c.what, "--seeds", "1-100000000",
				"--junit", junit, "--out", results)
			second := exec.Command("ksim", "explore", c.what, "--seeds", "1-100000000", "--out", results)
			said, _ := second.CombinedOutput()
			assert.Contains(t, string(said), "another process writes these results")

			require.NoError(t, cmd.Process.Signal(c.sig))
			_ = cmd.Wait()
			assert.Equal(t, c.code, cmd.ProcessState.ExitCode(), "%s", out)
			assert.Contains(t, out.String(), "1 exploration, ")
			assert.Contains(t, out.String(), "ksim: explore: "+c.sig.String())
			b, err := os.ReadFile(junit)
			require.NoError(t, err)
			assert.Contains(t, string(b), "<testcase")
			assert.Zero(t, alive(results))
		})
	}
}

// The same of ksim race and ksim replay, which leave the rest to go test.
func TestSignals_RaceAndReplayPassThemOn(t *testing.T) {
	const token = "kcs2:91230f58:0::0000000000000000"
	results := filepath.Join(t.TempDir(), "results")
	for _, c := range []struct {
		name  string
		args  []string
		begun func() bool
		says  string
		mark  string // in the arguments of every process
	}{
		{"race", []string{"race", "./testdata/endless", "--", "-run=Interrupted", "-sim.runs=100000000",
			"-sim.out=" + results}, resultsIn(results), "of 100000000 runs of TestInterrupted", results},
		{"replay", []string{"replay", token, "./testdata/forever"},
			func() bool { return alive(token) > 2 }, "", token}, // ksim, go test and the test
	} {
		for code, sig := range map[int]syscall.Signal{130: syscall.SIGINT, 143: syscall.SIGTERM} {
			t.Run(c.name+" "+sig.String(), func(t *testing.T) {
				if c.name == "race" {
					needsDetector(t)
				}
				require.NoError(t, os.RemoveAll(results))
				cmd, out := endless(t, c.begun, c.args...)
				require.NoError(t, cmd.Process.Signal(sig))
				_ = cmd.Wait()
				assert.Equal(t, code, cmd.ProcessState.ExitCode(), "%s", out)
				assert.Contains(t, out.String(), c.says)
				assert.Contains(t, out.String(), "ksim: "+c.name+": "+sig.String())
				assert.Zero(t, alive(c.mark))
			})
		}
	}
}

// What cannot be written is said, and nothing that was there is lost.
func TestFiles_FullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	var complaint bytes.Buffer
	cmd := exec.Command("ksim", "explore", "irp-passthrough-double", "--seeds", "1-50")
	cmd.Stdout, cmd.Stderr = full, &complaint
	_ = cmd.Run()
	assert.Equal(t, exitUsage, cmd.ProcessState.ExitCode())
	assert.Contains(t, complaint.String(), "IRP-005")
	assert.Contains(t, complaint.String(), "not on standard output: write /dev/stdout: no space left")

	out, err := exec.Command("ksim", "explore", "irp-passthrough-double", "--seeds", "1-50", "--junit",
		"/dev/full").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "IRP-005")
	assert.Contains(t, string(out), "ksim: explore: --junit: write /dev/full: no space left on device")

	junit := filepath.Join(t.TempDir(), "junit.xml")
	script := exec.Command("bash", "-c", "{ ksim explore irp-passthrough-double --seeds 1-50 --junit "+junit+
		"; echo exit $? >&2; } | true")
	out, err = script.CombinedOutput() // the reader has gone before anything is written
	require.NoError(t, err)
	assert.Contains(t, string(out), "IRP-005")
	assert.Contains(t, string(out), "not on standard output: write /dev/stdout: broken pipe")
	assert.Contains(t, string(out), "exit 2")
	assert.FileExists(t, junit)

	kept := filepath.Join(t.TempDir(), "junit.xml")
	require.NoError(t, os.WriteFile(kept, []byte("old"), 0o644))
	_, err = exec.Command("ksim", "explore", "no-such-scenario", "--junit", kept).CombinedOutput()
	require.Error(t, err)
	b, err := os.ReadFile(kept)
	require.NoError(t, err)
	assert.Equal(t, "old", string(b))
}
