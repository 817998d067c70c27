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

// endless starts ksim and waits until its results are there.
func endless(t *testing.T, dir string, args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd = exec.Command("ksim", append(args, "--out", dir)...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.Eventually(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		return len(found) > 0
	}, 2*time.Minute, 50*time.Millisecond, "%s", out)
	time.Sleep(300 * time.Millisecond)
	return cmd, out
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
			cmd, out := endless(t, results, "explore", c.what, "--seeds", "1-100000000", "--junit", junit)
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
