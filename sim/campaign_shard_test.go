package sim

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/sim/results"
)

// TestShardChild runs only as a child process of the tests below; a part of its tests fails on purpose.
func TestShardChild(t *testing.T) {
	o := ExploreOptions{Workers: 2, Runs: 600}
	switch os.Getenv(child) {
	case "lost update":
		Explore(t, o, lostUpdate)
	case "violates":
		Explore(t, o, violates)
	case "sometimes":
		o.Runs = 5000 // all there are
		Explore(t, o, sometimes)
	case "hazard":
		Explore(t, o, hazardous)
	case "calm":
		Explore(t, o, calm)
	case "slow": // takes real time, and on demand for ever, so that there is time to kill it
		o.checkpoint = time.Millisecond
		hangs, _ := strconv.ParseInt(os.Getenv(hangsAfter), 10, 64)
		var calls atomic.Int64
		Explore(t, o, func(m *Machine) {
			if n := calls.Add(1); hangs > 0 && n > hangs {
				time.Sleep(time.Hour)
			}
			time.Sleep(time.Millisecond)
			sometimes(m)
		})
	case "changed":
		o.Processors = 3
		Explore(t, o, calm)
	default:
		t.Skip("not a test of its own")
	}
}

// hangsAfter says after how many calls of the scenario a child hangs.
const hangsAfter = child + "_HANGS_AFTER"

// calm is clean and has many schedules.
func calm(m *Machine) {
	for _, name := range []string{"a", "b", "c", "d"} {
		m.Thread(name, func(k *ke.K) { touch(k, 0); touch(k, 0); touch(k, 0) })
	}
	m.Run()
}

// sometimes is calm, and fails in one of many schedules.
func sometimes(m *Machine) {
	order := ""
	for _, name := range []string{"a", "b", "c"} {
		m.Thread(name, func(k *ke.K) { touch(k, 0); order += name; touch(k, 0); order += name })
	}
	m.Run()
	if order[0] == order[4] && order[0] != 'a' {
		m.Fatalf("%c is first and fifth", order[0])
	}
}

// shardChild runs TestShardChild in a process of its own, without what the environment says of shards.
func shardChild(what string, env []string, flags ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestShardChild$", "-test.v"}, flags...)...)
	cmd.Env = append(append(os.Environ(), "SIM_SHARD=", "SIM_SHARDS=", "SIM_NOSAVE=1",
		child+"="+what), env...)
	return cmd
}

// output is what a child prints, and whether its test passed.
func output(c *exec.Cmd) (string, bool) {
	b, err := c.CombinedOutput()
	return string(b), err == nil
}

// only reads the one result file of a directory.
func only(t *testing.T, dir string) (*results.Shard, string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+results.Ext))
	require.NoError(t, err)
	require.Len(t, names, 1)
	b, err := os.ReadFile(names[0])
	require.NoError(t, err)
	s, err := results.Decode(strings.NewReader(string(b)))
	require.NoError(t, err)
	return s, string(b)
}

func TestShard_ByFieldFlagAndEnvironment(t *testing.T) {
	for _, c := range []struct {
		env   []string
		flags []string
		want  string
	}{
		{nil, nil, "0-of-1"},
		{[]string{"SIM_SHARD=2/5"}, nil, "2-of-5"},
		{[]string{"SIM_SHARD=2/5"}, []string{"-sim.shard=3/5"}, "3-of-5"},
		{[]string{"JOB_COMPLETION_INDEX=1", "SIM_SHARDS=4"}, nil, "1-of-4"},
		{[]string{"JOB_COMPLETION_INDEX=1", "SIM_SHARDS=4", "SIM_SHARD=1/2"}, nil, "1-of-2"},
	} {
		dir := t.TempDir()
		out, ok := output(shardChild("calm", c.env, append(c.flags, "-sim.runs=9", "-sim.out="+dir)...))
		assert.True(t, ok, out)
		s, _ := only(t, dir)
		assert.Contains(t, s.Header.FileName(), "."+c.want+".", "%v %v", c.env, c.flags)
		assert.Equal(t, results.Complete, s.Counters.State)
	}
}

func TestShard_MistakesAreNamed(t *testing.T) {
	for flag, want := range map[string]string{
		"-sim.shard=4/4":   `shard "4/4" is no i/m with 0 <= i < m, such as 0/4`,
		"-sim.shard=1":     `shard "1" is no i/m`,
		"-sim.shard=-1/3":  `shard "-1/3" is no i/m`,
		"-sim.budget=soon": "-sim.budget=soon is no time such as 90s or 10m",
		"-sim.budget=-1s":  "-sim.budget=-1s is no time",
		"-sim.runs=5-4":    "-sim.runs=5-4 ends before it begins",
		"-sim.runs=0-4":    "-sim.runs=0-4 is no number from 1 on",
	} {
		out, ok := output(shardChild("calm", nil, flag))
		assert.False(t, ok)
		assert.Contains(t, out, want)
	}
	out, ok := output(shardChild("calm", []string{"SIM_SHARDS=4", "JOB_COMPLETION_INDEX="}))
	assert.False(t, ok)
	assert.Contains(t, out, "SIM_SHARDS=4 says how many shards there are, but neither")
	out, ok = output(shardChild("calm", []string{"SIM_SHARDS=", "JOB_COMPLETION_INDEX=2"}))
	assert.False(t, ok)
	assert.Contains(t, out, "JOB_COMPLETION_INDEX=2 says which shard this is, but neither SIM_SHARDS nor")
	out, ok = output(shardChild("calm", []string{"SIM_SHARD=0/3", "JOB_COMPLETION_INDEX=2"}))
	assert.False(t, ok)
	assert.Contains(t, out, "SIM_SHARD: shard 0/3, but JOB_COMPLETION_INDEX=2 says that this is shard 2")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	out, ok = output(shardChild("calm", nil, "-sim.out="+file))
	assert.False(t, ok)
	assert.Contains(t, out, "not a directory")
}

// shardsAndWhole runs a scenario undivided and in shards, and gives the two unions.
func shardsAndWhole(t *testing.T, what string, shards int, flags ...string) (whole, parts *results.Summary) {
	t.Helper()
	sum := func(shards int) *results.Summary {
		dir := t.TempDir()
		for i := range shards {
			env := []string{"SIM_SHARD=" + string(rune('0'+i)) + "/" + string(rune('0'+shards))}
			_, _ = output(shardChild(what, env, append(flags, "-sim.out="+dir)...))
		}
		var u results.Union
		n, err := u.AddDir(dir, nil)
		require.NoError(t, err)
		require.Equal(t, shards, n)
		return u.Summaries()[0]
	}
	return sum(1), sum(shards)
}

func TestShard_UnionIsTheUndividedExploration(t *testing.T) {
	for what, findings := range map[string]int{"lost update": 1, "violates": 2, "hazard": 1, "calm": 0} {
		whole, parts := shardsAndWhole(t, what, 4, "-sim.keepgoing")
		assert.Equal(t, "complete: 600 of 600 runs", parts.Coverage())
		assert.Len(t, whole.Findings, findings, what)
		parts.Shards, parts.Present = whole.Shards, whole.Present
		assert.Equal(t, whole, parts, what)
	}
}

// An exhaustive search is divided by its first decisions. Reference: scheduling.md 14.
func TestShard_SearchesAreDividedByPrefixes(t *testing.T) {
	for what, findings := range map[string]int{"lost update": 1, "sometimes": 2, "violates": 2} {
		for _, strategy := range []string{"dfs", "dpor", "preempt2"} {
			if strategy != "dpor" && what != "sometimes" && !thorough {
				continue
			}
			name := what + ", " + strategy
			whole, parts := shardsAndWhole(t, what, 3, "-sim.keepgoing", "-sim.strategy="+strategy)
			signatures := func(s *results.Summary) (list []string) {
				for _, f := range s.Findings {
					list = append(list, f.Signature)
				}
				return list
			}
			assert.Len(t, whole.Findings, findings, name)
			assert.ElementsMatch(t, signatures(whole), signatures(parts), name)
			if what != "violates" || strategy == "preempt2" { // behind a violation nothing is looked at
				assert.Equal(t, whole.Traces, parts.Traces, "%s: as many runs that differ", name)
			}
			if strategy == "preempt2" {
				assert.Equal(t, whole.Runs, parts.Runs, name)
			}
			assert.Empty(t, parts.Running, name)
			t.Logf("%s: %d runs undivided, %d in shards, %d differ", name, whole.Runs, parts.Runs,
				whole.Traces)
		}
	}
}

func TestShard_FirstFindingStopsItsShardOnly(t *testing.T) {
	whole, parts := shardsAndWhole(t, "lost update", 4)
	require.Len(t, whole.Findings, 1)
	require.Len(t, parts.Findings, 1)
	assert.Equal(t, whole.Findings, parts.Findings, "the lowest run of all shards is the first one")
	assert.EqualValues(t, whole.Findings[0].Run, whole.Runs, "not one run after it counts")
	assert.Contains(t, parts.Coverage(), "stopped at the first finding")
	assert.Empty(t, parts.Running)
	f := whole.Findings[0]
	assert.Equal(t, "counter is 1", f.Title())
	assert.Contains(t, f.Report, "failed: counter is 1")
	assert.Contains(t, f.Report, f.Replay)
	assert.Contains(t, f.Replay, "-sim.replay="+f.Token)
}

func TestShard_ShardWithoutRunsIsComplete(t *testing.T) {
	dir := t.TempDir()
	out, ok := output(shardChild("calm", nil, "-sim.shard=7/9", "-sim.runs=3", "-sim.out="+dir))
	assert.True(t, ok, out)
	s, _ := only(t, dir)
	assert.Zero(t, s.Counters.Runs)
	assert.Equal(t, results.Complete, s.Counters.State)
}

// Killed twice in the middle, an exploration ends with the very file that an undisturbed one leaves.
func TestOut_KilledExplorationGoesOnWhereItStopped(t *testing.T) {
	ways := [][]string{{"-sim.keepgoing", "-sim.shard=1/2"}, {"-sim.keepgoing", "-sim.strategy=dpor"}}
	kills := 1
	if thorough {
		kills = 2
		ways = append(ways, []string{"-sim.keepgoing"}, []string{},
			[]string{"-sim.keepgoing", "-sim.strategy=preempt3", "-sim.shard=0/2"})
	}
	for _, flags := range ways {
		undisturbed, killed := t.TempDir(), t.TempDir()
		want, wantOK := output(shardChild("slow", nil, append(flags, "-sim.out="+undisturbed)...))
		require.Contains(t, want, "TestShardChild")
		whole, wholeText := only(t, undisturbed)
		made, more := 0, whole.Counters.Runs/3
		for range kills {
			c := shardChild("slow", []string{hangsAfter + "=" + strconv.Itoa(more)},
				append(flags, "-sim.out="+killed)...)
			require.NoError(t, c.Start())
			slack := 5 // workers also look at run 1, and the last may not be written
			if strings.Contains(strings.Join(flags, " "), "strategy=preempt") {
				slack = 60 // a search in shards begins with the prefixes
			}
			waitFor(t, killed, made+more-slack)
			require.NoError(t, c.Process.Kill())
			require.Error(t, c.Wait())
			s, _ := only(t, killed)
			require.Equal(t, results.Running, s.Counters.State)
			made = s.Counters.Runs
			require.Less(t, made, whole.Counters.Runs)
			t.Logf("%v: killed after %d of %d runs", flags, made, whole.Counters.Runs)
		}
		got, gotOK := output(shardChild("slow", nil, append(flags, "-sim.out="+killed)...))
		assert.Equal(t, wantOK, gotOK)
		assert.Equal(t, saysOf(want), saysOf(got))
		_, resumed := only(t, killed)
		assert.Equal(t, wholeText, resumed)
		assert.NotEmpty(t, whole.Findings)
	}
}

// waitFor waits until an exploration has written down that it has made some runs.
func waitFor(t *testing.T, dir string, runs int) {
	t.Helper()
	require.Eventually(t, func() bool {
		names, _ := filepath.Glob(filepath.Join(dir, "*"+results.Ext))
		if len(names) == 0 {
			return false
		}
		s, err := results.Load(names[0])
		return err == nil && s.Counters.Runs >= runs
	}, 20*time.Second, time.Millisecond)
}

// saysOf is what a test prints about its failures, without times.
func saysOf(out string) string {
	_, r, _ := strings.Cut(out, "=== RUN")
	r, _, _ = strings.Cut(r, "--- FAIL")
	return r
}

func TestOut_CompleteExplorationIsNotMadeAgain(t *testing.T) {
	dir := t.TempDir()
	first, ok := output(shardChild("lost update", nil, "-sim.out="+dir))
	require.False(t, ok)
	_, before := only(t, dir)
	second, ok := output(shardChild("lost update", nil, "-sim.out="+dir))
	assert.False(t, ok, "a finding stays one")
	_, after := only(t, dir)
	assert.Equal(t, before, after)
	assert.Equal(t, saysOf(first), saysOf(second))
}

func TestOut_HazardsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	first, ok := output(shardChild("hazard", nil, "-sim.out="+dir))
	require.True(t, ok, first)
	second, ok := output(shardChild("hazard", nil, "-sim.out="+dir))
	require.True(t, ok, second)
	assert.Contains(t, first, "LOCK-013")
	assert.Equal(t, strings.Count(first, "LOCK-013"), strings.Count(second, "LOCK-013"))
}

func TestOut_OtherOptionsAreRefused(t *testing.T) {
	dir := t.TempDir()
	out, ok := output(shardChild("calm", nil, "-sim.out="+dir))
	require.True(t, ok, out)
	for flag, want := range map[string]string{
		"-sim.master=5":        "they differ in master seed (5, 0); remove it, or name another directory",
		"-sim.runs=601":        "they differ in runs (601, 600)",
		"-sim.strategy=random": "they differ in strategy (random, portfolio)",
		"-sim.notes":           "they differ in options (2 processors, notes, 2 processors)",
		"-sim.keepgoing":       "they differ in keepgoing (true, false)",
	} {
		out, ok := output(shardChild("calm", nil, "-sim.out="+dir, flag))
		assert.False(t, ok)
		assert.Contains(t, out, want)
	}
	out, ok = output(shardChild("changed", nil, "-sim.out="+dir))
	assert.False(t, ok)
	assert.Contains(t, out, "they differ in options (3 processors, 2 processors)")

	s, text := only(t, dir)
	name := filepath.Join(dir, s.Header.FileName())
	text = strings.Replace(text, `"build":"`+s.Header.Build, `"build":"0000`, 1)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	out, ok = output(shardChild("calm", nil, "-sim.out="+dir))
	assert.False(t, ok)
	assert.Contains(t, out, "the test or what it tests was changed since these results were made")
}

// Where an exhaustive search stands is kept as it is.
func TestOut_StateOfASearchIsKept(t *testing.T) {
	dir := t.TempDir()
	_, _ = output(shardChild("calm", nil, "-sim.out="+dir))
	s, _ := only(t, dir)
	s.Counters.Search = json.RawMessage(`{"stack":["a","b"]}`)
	require.NoError(t, s.Save(dir))
	_, _ = output(shardChild("calm", nil, "-sim.out="+dir))
	again, _ := only(t, dir)
	assert.Equal(t, s, again)
}

func TestBudget_StopsAndGoesOnLater(t *testing.T) {
	dir := t.TempDir()
	out, _ := output(shardChild("slow", nil, "-sim.keepgoing", "-sim.out="+dir, "-sim.budget=100ms"))
	assert.Regexp(t, `sim: incomplete \(budget\): \d+ of 600 runs made`, out)
	s, _ := only(t, dir)
	assert.Equal(t, results.Budget, s.Counters.State)
	assert.Less(t, s.Counters.Runs, 600)
	_, _ = output(shardChild("slow", nil, "-sim.keepgoing", "-sim.out="+dir, "-sim.budget=1h"))
	s, _ = only(t, dir)
	assert.Equal(t, results.Complete, s.Counters.State)
	assert.Equal(t, 600, s.Counters.Runs)
}

func TestBudget_IsInTheResult(t *testing.T) {
	o := ExploreOptions{Runs: 100_000, Workers: 2}
	o.Budget = 20 * time.Millisecond
	r := collected(t, o, func(m *Machine) { time.Sleep(time.Millisecond); calm(m) })
	assert.Equal(t, "budget", r.Incomplete)
	assert.Less(t, r.Runs, 100)
	o.Budget, o.Runs = time.Hour, 5
	assert.Empty(t, collected(t, o, calm).Incomplete)
}

func TestOut_DamagedSearchIsRefused(t *testing.T) {
	s := Scenario{Name: "slow", Title: "takes its time", Run: func(m *Machine) {
		time.Sleep(2 * time.Millisecond)
		lostUpdate(m)
	}}
	o := ExploreOptions{Strategy: "dpor", KeepGoing: true}
	o.Out, o.Budget = t.TempDir(), time.Millisecond
	r, err := ExploreScenario(s, o)
	require.NoError(t, err)
	require.Equal(t, "budget", r.Incomplete)
	shard, _ := only(t, o.Out)
	require.NotEmpty(t, shard.Counters.Search)
	shard.Counters.Search = json.RawMessage(`{"searches":[]}`)
	require.NoError(t, shard.Save(o.Out))
	_, damaged := only(t, o.Out)
	_, err = ExploreScenario(s, o)
	assert.ErrorContains(t, err, "the saved search is damaged: there is nothing to go on with")
	_, after := only(t, o.Out)
	assert.Equal(t, damaged, after, "it is left for somebody to look at")
}

func TestRuns_RangeBeginsAnywhere(t *testing.T) {
	dir := t.TempDir()
	out, ok := output(shardChild("calm", nil, "-sim.runs=11-30", "-sim.out="+dir))
	require.True(t, ok, out)
	s, _ := only(t, dir)
	assert.EqualValues(t, 11, s.Header.First)
	assert.Equal(t, 20, s.Counters.Runs)
}

func TestExploreScenario_IsExploreWithoutATest(t *testing.T) {
	s := Scenario{Name: "lost", Title: "an update is lost", Run: lostUpdate}
	o := ExploreOptions{Runs: 200, Workers: 2}
	o.Out = t.TempDir()
	r, err := ExploreScenario(s, o)
	require.NoError(t, err)
	require.Len(t, r.Failures, 1)
	assert.True(t, r.Failures[0].Repeats)
	file, _ := only(t, o.Out)
	assert.Equal(t, "ksim run lost --replay "+file.Findings[0].Token, file.Findings[0].Replay)
	o.Master = 1
	_, err = ExploreScenario(s, o)
	assert.ErrorContains(t, err, "they differ in master seed (1, 0)")
	o.Strategy = "nosuch"
	_, err = ExploreScenario(s, o)
	assert.ErrorContains(t, err, `strategy "nosuch" is not known`)
}
