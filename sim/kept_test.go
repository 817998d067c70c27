package sim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// counter is lostUpdate as a driver that changes in the course of time: "bad", "fixed", or "changed", where
// another thread has been added.
func counter(driver string) func(m *Machine) {
	return func(m *Machine) {
		n := 0
		id := m.Kernel().NewID(trace.Var)
		names := []string{"one", "two"}
		if driver == "changed" {
			names = []string{"zero", "one", "two"}
		}
		for _, name := range names {
			m.Thread(name, func(k *ke.K) {
				touch(k, id)
				v := n
				touch(k, id)
				if n = v + 1; driver == "fixed" {
					n = 2
				}
			})
		}
		m.Run()
		if n != len(names) && driver != "changed" {
			m.Fatalf("counter is %d", n)
		}
	}
}

// TestKeptChild runs only as a child process of the tests below, in a folder of its own.
func TestKeptChild(t *testing.T) {
	driver := os.Getenv("SIM_TEST_DRIVER")
	switch os.Getenv(child) {
	case "kept":
		Explore(t, ExploreOptions{}, counter(driver))
	case "kept by hand":
		counter(driver)(New(t))
	case "kept by a subtest":
		t.Run("a b", func(t *testing.T) { Explore(t, ExploreOptions{}, counter(driver)) })
	case "rule":
		Explore(t, ExploreOptions{Options: Options{}}, func(m *Machine) {
			m.Thread("a.sys", func(k *ke.K) { touch(k, 0) })
			m.Thread("b.sys", func(k *ke.K) {
				touch(k, 0)
				if len(m.ke.Deviations()) > 2 {
					ke.Report(k, verify.Finding{Rule: verify.IRP_001, Headline: "broken", Obj: "irp#1"})
				}
			})
			m.Run()
		})
	case "touched late":
		touchedLate(New(t))
	default:
		t.Skip("not a test of its own")
	}
}

// keptChild runs TestKeptChild in a folder.
func keptChild(t *testing.T, dir, what, driver string, flags ...string) (output string, ok bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestKeptChild$"}, flags...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), child+"="+what, "SIM_TEST_DRIVER="+driver)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

var keptRE = regexp.MustCompile(`\(kept in (testdata/sim/\S+/[0-9a-f]{8}\.sim)\)`)

// keptFile makes a run fail and gives the file it is kept in.
func keptFile(t *testing.T, dir, what string, flags ...string) string {
	t.Helper()
	out, ok := keptChild(t, dir, what, "bad", flags...)
	require.False(t, ok)
	found := keptRE.FindStringSubmatch(out)
	require.NotNil(t, found, out)
	require.FileExists(t, filepath.Join(dir, found[1]))
	return found[1]
}

func TestKeep_FileTellsTheChoicesInWords(t *testing.T) {
	dir := t.TempDir()
	name := keptFile(t, dir, "kept")
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	head, body, ok := strings.Cut(string(b), "\n\n")
	require.True(t, ok)
	lines := strings.Split(head, "\n")
	token, err := ParseToken(lines[0])
	require.NoError(t, err)
	assert.Len(t, token.Deviations, 1)
	assert.Equal(t, "module: calloutsim (devel)", lines[1])
	assert.Equal(t, []string{"test: TestKeptChild", "run: 5", "options: 2 processors",
		"failed: counter is 1"}, lines[2:6])
	assert.Regexp(t, `^made from: kcs2:\S+$`, lines[6])
	assert.Contains(t, body, "0 sched/step 0 one: one | two\n")
	assert.Regexp(t, `(?m)^[0-9a-f]+ sched/step 1 two: one \| two$`, body)
	assert.Equal(t, 1, strings.Count(body, " sched/step 1 "))

	same := keptFile(t, t.TempDir(), "kept", "-sim.master=2")
	assert.Equal(t, name, same, "the same failure, the same file")
}

func TestKeep_PlainTestRepeatsWhatIsKept(t *testing.T) {
	for what, flag := range map[string]string{"kept": "-sim.runs=1", "kept by hand": "-sim.seed=1",
		"kept by a subtest": "-sim.runs=1"} {
		dir := t.TempDir()
		seed := []string{}
		if what == "kept by hand" {
			seed = append(seed, "-sim.seed=3")
		}
		name := keptFile(t, dir, what, seed...)

		out, ok := keptChild(t, dir, what, "bad", flag)
		assert.False(t, ok, what)
		assert.Contains(t, out, "the run kept in "+name+" still fails:", what)
		assert.Contains(t, out, "counter is 1", what)

		out, ok = keptChild(t, dir, what, "fixed", flag)
		assert.True(t, ok, out)
		assert.NotContains(t, out, "kept", what)

		out, ok = keptChild(t, dir, what, "changed", flag)
		assert.False(t, ok, out)
		assert.Contains(t, out, "delete the file", what)
		assert.Contains(t, out, "the kept run is stale: the driver, the test or the simulator changed since "+
			name+" was written. The first choice that differs is number 0:", what)
	}
}

func TestReplayFile_StopsWhereTheRunIsAnotherOne(t *testing.T) {
	for what, flags := range map[string][]string{"kept": nil, "kept by hand": {"-sim.seed=3"}} {
		dir := t.TempDir()
		name := keptFile(t, dir, what, flags...)
		out, ok := keptChild(t, dir, what, "bad", "-sim.replay="+name)
		assert.False(t, ok)
		assert.Contains(t, out, "counter is 1")
		assert.NotContains(t, out, "changed")

		out, ok = keptChild(t, dir, what, "changed", "-sim.replay="+name)
		assert.False(t, ok)
		assert.Contains(t, out, "The first choice that differs is number 0:")
		assert.Contains(t, out, "recorded: 0 sched/step ")
		assert.Contains(t, out, "now:      0 sched/step: zero | one | two")

		// a token alone goes on, and says the same if its run is kept
		token, err := ReadReplayFile(filepath.Join(dir, name))
		require.NoError(t, err)
		out, ok = keptChild(t, dir, what, "changed", "-sim.replay="+token.String())
		assert.False(t, ok)
		assert.Contains(t, out, "did not repeat the recorded one")
		assert.Contains(t, out, "The first choice that differs is number 0:")

		out, ok = keptChild(t, dir, what, "fixed", "-sim.replay="+name)
		assert.True(t, ok, "the events are the same: %s", out)
	}
}

func TestKeep_NotWhereNobodyWantsIt(t *testing.T) {
	dir := t.TempDir()
	out, ok := keptChild(t, dir, "kept", "bad", "-sim.nosave")
	assert.False(t, ok)
	assert.NotContains(t, out, "kept in")
	token := tokenRE.FindStringSubmatch(out)
	require.NotNil(t, token)
	_, ok = keptChild(t, dir, "kept", "bad", "-sim.replay="+token[1])
	assert.False(t, ok)
	_, ok = keptChild(t, dir, "kept by hand", "bad", "-sim.seed=3", "-sim.nosave")
	assert.False(t, ok)
	assert.NoDirExists(t, filepath.Join(dir, "testdata"))
}

func TestKeep_ReportOfARuleNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	out, ok := keptChild(t, dir, "rule", "")
	assert.False(t, ok)
	assert.Regexp(t, `REPLAY: +go test -run '\^TestKeptChild\$' calloutsim/sim -sim\.replay=kcs2:\S+\n +`+
		`\(kept in testdata/sim/TestKeptChild/[0-9a-f]{8}\.sim\)\n`, out)
}

// A test that drives its machine itself has its run made simpler in a process of its own.
func TestKeep_RunOfTheTestItselfIsMadeSimpler(t *testing.T) {
	dir := t.TempDir()
	var out string
	for seed, ok := 2, true; ok; seed++ {
		require.Less(t, seed, 50, "no run fails")
		out, ok = keptChild(t, dir, "touched late", "", fmt.Sprint("-sim.seed=", seed))
	}
	found := regexp.MustCompile(`\(a simpler run that fails this way, 1 choice, 1 interruption in place of ` +
		`(\d+) choices, .*, is kept in (testdata/sim/TestKeptChild/[0-9a-f]{8}\.sim)\)\n`).
		FindStringSubmatch(out)
	require.NotNil(t, found, out)
	token, err := ReadReplayFile(filepath.Join(dir, found[2]))
	require.NoError(t, err)
	assert.Len(t, token.Deviations, 1)
	again, ok := keptChild(t, dir, "touched late", "")
	assert.False(t, ok)
	assert.Contains(t, again, "the run kept in "+found[2]+" still fails:")
	assert.Contains(t, again, "UNORDERED:")
}

func TestKeep_DamagedFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	name := keptFile(t, dir, "kept")
	full := filepath.Join(dir, name)
	b, err := os.ReadFile(full)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":    "the file is empty",
		"abc": "is no token",
		strings.Replace(string(b), " sched/step 1 ", " sched/step 0 ", 1): "the choices are not those of the " +
			"token",
		strings.Replace(string(b), "\n0 sched", "\n7 sched", 1): "is not choice 0",
	} {
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
		out, ok := keptChild(t, dir, "kept", "fixed")
		assert.False(t, ok, "go test shows nothing of a test that passes: %s", out)
		assert.Contains(t, out, "kept run left out: "+name+": ")
		assert.Contains(t, out, want)
		out, ok = keptChild(t, dir, "kept", "fixed", "-sim.replay="+name)
		assert.False(t, ok)
		assert.Contains(t, out, "-sim.replay: "+name+": ")
	}
	out, ok := keptChild(t, dir, "kept", "fixed", "-sim.replay=none.sim")
	assert.False(t, ok)
	assert.Contains(t, out, "-sim.replay: none.sim: no such file")
}

func TestDirOf_IsSafe(t *testing.T) {
	for test, want := range map[string]string{
		"TestA":             "testdata/sim/TestA",
		"TestA/sub_case#01": "testdata/sim/TestA/sub_case_01",
		"TestA/../../x":     "testdata/sim/TestA/__/__/x",
		`TestA/c:\é`:        "testdata/sim/TestA/c___",
	} {
		assert.Equal(t, want, dirOf(test))
	}
}

func TestReplay_PassesWhenTheDefectIsGone(t *testing.T) {
	f := collected(t, ExploreOptions{}, counter("bad")).Failures[0]
	Replay(t, counter("fixed"), f.Minimal.String())
	Replay(t, counter("fixed"), f.Token.String())

	tb := &replayTB{TB: t}
	assert.NotNil(t, apart(&runTB{}, func() { Replay(tb, counter("bad"), f.Minimal.String()) }))
	require.Len(t, tb.errors, 1)
	assert.Contains(t, tb.errors[0], "counter is")
}

// replayTB is a test that notes what it is told. Its end is a panic, which apart catches.
type replayTB struct {
	testing.TB
	errors []string
}

func (r *replayTB) Errorf(format string, args ...any) {
	r.errors = append(r.errors, strings.TrimSpace(format)+" "+strings.TrimSpace(args[0].(string)))
}
func (r *replayTB) FailNow() { panic("FailNow") }
func (r *replayTB) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.FailNow()
}
