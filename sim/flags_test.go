package sim

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// TestFlagsChild runs only as a child process of the tests below; a part of its tests fails on purpose.
func TestFlagsChild(t *testing.T) {
	switch os.Getenv(child) {
	case "new":
		lostUpdate(New(t))
	case "two":
		lostUpdate(New(t))
		lostUpdate(New(t, Options{Seed: 4}))
	case "explore":
		r := Explore(t, ExploreOptions{}, lostUpdate)
		t.Logf("made %d runs", r.Runs)
	case "hazard":
		hazardous(New(t))
	case "hazard and violation":
		m := New(t)
		for range 2 {
			hazardous(m)
		}
		breaks(m)
	case "two defects":
		found := func(rule verify.RuleID) func(*irql.K) {
			return func(k *irql.K) { breakAll(k, []verify.RuleID{rule}) }
		}
		Explore(t, ExploreOptions{KeepGoing: true, Runs: 100}, waysIn(found(verify.IRP_011),
			found(verify.IRP_036)))
	case "pin":
		lostUpdate(New(t))
	case "outer": // checks through the test instead of the machine
		Explore(t, ExploreOptions{Workers: 2, Runs: 500}, func(m *Machine) {
			n := 0
			for range 2 {
				m.Thread("one", func(k *ke.K) { touch(k, 0); v := n; touch(k, 0); n = v + 1 })
			}
			m.Run()
			require.Equal(t, 2, n, "updates")
		})
	case "inside": // ends the test from inside simulated code, with others waiting and deferred calls
		m := New(t)
		for range 3 {
			m.Thread("waits", func(k *ke.K) {
				defer touch(k, 0)
				touch(k, 0)
			})
		}
		m.Thread("ends the test", func(k *ke.K) {
			defer touch(k, 0)
			t.Fatal("stop here")
		})
		m.Run()
		panic("not reached")
	case "panic":
		m := New(t)
		m.Thread("bad.sys", func(k *ke.K) { panic("a bug of the driver") })
		m.Run()
	case "violation":
		breaks(New(t))
	case "unload":
		m := New(t)
		d := &sample{}
		d.unload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		m.Load("sample.sys", d.DriverEntry)
		m.Unload("sample.sys") // leaves its device
	default:
		t.Skip("not a test of its own")
	}
}

// runChild runs TestFlagsChild in a process of its own.
func runChild(t *testing.T, what string, env []string, flags ...string) (output string, ok bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestFlagsChild$", "-test.v"}, flags...)...)
	cmd.Env = append(append(os.Environ(), child+"="+what, "SIM_NOSAVE=1"), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

var tokenRE = regexp.MustCompile(`-sim\.replay=(kcs2:\S+)`)

func TestFlags_PlainRunIsTheBoringOne(t *testing.T) {
	out, ok := runChild(t, "new", nil)
	assert.True(t, ok, out)
	assert.Contains(t, out, "sim: run 1, 2 processors")
	assert.Contains(t, out, "=== ATTR  TestFlagsChild sim.seed 1")
}

func TestFlags_SeedFailsAndItsTokenRepeats(t *testing.T) {
	out, ok := runChild(t, "explore", nil)
	require.False(t, ok)
	found := tokenRE.FindStringSubmatch(out)
	require.NotNil(t, found, out)
	assert.Contains(t, out, "counter is 1")

	out, ok = runChild(t, "explore", nil, "-sim.replay="+found[1])
	assert.False(t, ok)
	assert.Contains(t, out, "counter is 1")
	assert.NotContains(t, out, "did not repeat")

	// New is told the same run by the same token: both are the first machine of the test.
	out, ok = runChild(t, "new", []string{"SIM_REPLAY=" + found[1]})
	assert.False(t, ok)
	assert.Contains(t, out, "counter is 1")
	assert.NotContains(t, out, "did not repeat")
}

func TestFlags_SeedByFlagAndByEnvironment(t *testing.T) {
	flag, ok := runChild(t, "new", nil, "-sim.seed=4")
	assert.Contains(t, flag, "sim: run 4, 2 processors")
	env, ok2 := runChild(t, "new", []string{"SIM_SEED=4"})
	assert.Contains(t, env, "sim: run 4, 2 processors")
	assert.Equal(t, ok, ok2)
	both, _ := runChild(t, "new", []string{"SIM_SEED=4"}, "-sim.seed=5")
	assert.Contains(t, both, "sim: run 5, 2 processors", "the flag wins")
	master, _ := runChild(t, "new", nil, "-sim.seed=4", "-sim.master=9")
	assert.Contains(t, master, "master seed 9")
}

func TestFlags_RunsAndKeepGoing(t *testing.T) {
	out, ok := runChild(t, "explore", nil, "-sim.runs=1")
	assert.True(t, ok, out)
	assert.Contains(t, out, "made 1 runs")
}

func TestFlags_TokenOfTheSecondMachineLeavesTheFirstAlone(t *testing.T) {
	second := Token{Scenario: hashName("TestFlagsChild", 2), Trace: 1}.String()
	out, ok := runChild(t, "two", nil, "-sim.replay="+second)
	assert.False(t, ok)
	assert.Contains(t, out, "did not repeat the recorded one")
	assert.Contains(t, out, "sim: run 1, 2 processors")
	assert.Contains(t, out, "sim: repeats kcs2:")
}

func TestFlags_TokenOfAnotherTestIsRefused(t *testing.T) {
	out, ok := runChild(t, "new", nil, "-sim.replay=kcs2:00000001:0::0000000000000001")
	assert.False(t, ok)
	assert.Contains(t, out, "the token is of another test or scenario (00000001), not of TestFlagsChild")
}

func TestFlags_FailOn(t *testing.T) {
	out, ok := runChild(t, "hazard", nil)
	assert.True(t, ok, out)
	assert.Contains(t, out, "called with a lock held")
	out, ok = runChild(t, "hazard", nil, "-sim.failon=warning")
	assert.False(t, ok)
	assert.Contains(t, out, "=== ATTR  TestFlagsChild sim.rule LOCK-013")
}

// Hazards are one line each, once, and the failure is the last thing on the screen.
func TestFlags_HazardsComeBeforeTheFailure(t *testing.T) {
	out, ok := runChild(t, "hazard and violation", nil)
	assert.False(t, ok)
	assert.Equal(t, 1, strings.Count(out, "called with a lock held"), out)
	assert.Regexp(t, `(?m)^ +(\S+\.go:\d+: )?LOCK-013 \S+: called with a lock held$`, out)
	assert.Less(t, strings.Index(out, "called with a lock held"), strings.Index(out, "IRP-001"))
	out, _, _ = strings.Cut(out, "--- FAIL")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	assert.Regexp(t, `^ +REPLAY: `, lines[len(lines)-1])
}

func TestFlags_FixPinsAChoice(t *testing.T) {
	out, ok := runChild(t, "pin", nil, "-sim.fix=sched/step=1", "-sim.fix=env/X=inline")
	assert.Contains(t, out, "sched/step=1, env/X=inline")
	assert.Contains(t, out, "env/X=inline had no effect")
	assert.NotContains(t, out, "sched/step=1 had no effect")
	_ = ok // whether an update is lost with every choice answered 1 is not the point
}

func TestFlags_MistakesAreNamed(t *testing.T) {
	for flag, want := range map[string]string{
		"-sim.seed=x":      "-sim.seed=x is no number from 1 on",
		"-sim.seed=0":      "-sim.seed=0 is no number from 1 on",
		"-sim.failon=loud": "-sim.failon=loud: it is one of error, warning, note",
		"-sim.fix=abc":     `"abc" is no SITE=ALTERNATIVE`,
		"-sim.notes=maybe": "-sim.notes=maybe is neither true nor false",
		"-sim.replay=17":   "a token begins with kcs2:",
	} {
		out, ok := runChild(t, "new", nil, flag)
		assert.False(t, ok)
		assert.Contains(t, out, want)
	}
	out, ok := runChild(t, "explore", nil, "-sim.runs=0")
	assert.False(t, ok)
	assert.Contains(t, out, "-sim.runs=0 is no number from 1 on")
	out, ok = runChild(t, "explore", nil, "-sim.strategy=best")
	assert.False(t, ok)
	assert.Contains(t, out, `sim.Explore: strategy "best" is not known; there are default, random, pct2, `)
}

func TestFlags_StrategyByName(t *testing.T) {
	out, ok := runChild(t, "explore", nil, "-sim.strategy=default")
	assert.True(t, ok, "the boring schedule loses no update")
	assert.Contains(t, out, "made 200 runs")
	for _, name := range []string{"random", "pct2", "pct3", "pos", "urw", "surw", "portfolio"} {
		out, ok := runChild(t, "explore", nil, "-sim.strategy="+name)
		assert.False(t, ok, name)
		assert.Contains(t, out, "counter is 1", name)
		assert.NotContains(t, out, "does not repeat", name)
	}
}

func TestFlags_ArtifactsAreKeptOnRequest(t *testing.T) {
	artifacts(t, "violation", "IRP-001", "report.txt", "trace.jsonl")
	artifacts(t, "explore", "counter is 1", "report.txt")
	artifacts(t, "explore", `"name":"touches"`, "trace.jsonl")
	artifacts(t, "two defects", "IRP-0", "report.txt", "report-2.txt", "trace-2.jsonl")
}

// artifacts has a child leave artifacts behind and looks for a text in these.
func artifacts(t *testing.T, what, text string, names ...string) {
	t.Helper()
	dir := t.TempDir()
	out, ok := runChild(t, what, nil, "-test.artifacts", "-test.outputdir="+dir)
	assert.False(t, ok)
	assert.Regexp(t, `report\.txt and trace\.jsonl are in `, out)
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(dir, "_artifacts", "*", name))
		require.NoError(t, err)
		if len(found) == 0 {
			found, err = filepath.Glob(filepath.Join(dir, "_artifacts", "*", "*", name))
			require.NoError(t, err)
		}
		require.NotEmpty(t, found, name)
		b, err := os.ReadFile(found[0])
		require.NoError(t, err)
		assert.Contains(t, string(b), text)
	}
}

func TestExplore_FatalThroughTheTestItself(t *testing.T) {
	out, ok := runChild(t, "outer", nil)
	assert.False(t, ok)
	found := tokenRE.FindStringSubmatch(out)
	require.NotNil(t, found, out)
	assert.Regexp(t, `run \d+ of 500 failed: the scenario failed the test`, out)
	out, ok = runChild(t, "outer", nil, "-sim.replay="+found[1])
	assert.False(t, ok)
	assert.Contains(t, out, "updates")
}

func TestNew_FatalInsideSimulatedCode(t *testing.T) {
	for _, flag := range []string{"-sim.seed=1", "-sim.seed=2", "-sim.seed=3"} {
		out, ok := runChild(t, "inside", nil, flag)
		assert.False(t, ok)
		assert.Contains(t, out, "stop here")
		assert.Contains(t, out, "--- FAIL: TestFlagsChild")
		assert.Contains(t, out,
			"to repeat it: go test -run '^TestFlagsChild$' calloutsim/sim -sim.replay=kcs2:")
		assert.NotContains(t, out, "panic:")
		assert.NotContains(t, out, "goroutine")
	}
}

func TestNew_DriverPanicFailsTheTestAndTheProcessLives(t *testing.T) {
	out, ok := runChild(t, "panic", nil)
	assert.False(t, ok)
	assert.Contains(t, out, "bad.sys panicked: a bug of the driver")
	assert.Contains(t, out, "KMODE_EXCEPTION_NOT_HANDLED (1e)")
	assert.Contains(t, out, "--- FAIL: TestFlagsChild")
	assert.NotContains(t, out, "goroutine")
}

// What is found at unload is told at the end of the test: at the line of New, and with the line of the
// driver in front. The command below it works from any folder of the module.
func TestUnload_ReportHasTheLinesOfTheTest(t *testing.T) {
	out, ok := runChild(t, "unload", nil)
	assert.False(t, ok)
	assert.Regexp(t, `(?m)^    flags_test\.go:\d+: \n +driver_test\.go:\d+: UNLOAD-006 `, out)
	assert.Regexp(t, `TIME: \S+ \(event (\d+)\)`, out)
	assert.Contains(t, out,
		"REPLAY:         go test -run '^TestFlagsChild$' calloutsim/sim -sim.replay=kcs2:")
}
