package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plan is that of the examples below: 100 runs, in shards.
func plan(test string, shards int) Plan {
	return Plan{Module: "m", Package: "m/p", Test: test, Scenario: "0000000" + test[len(test)-1:],
		Strategy: "random", Options: "2 processors", First: 1, Asked: 100, KeepGoing: true, Shards: shards}
}

// made is shard i of a plan after some runs. Run r has trace r/2, and the signature "s<r%7>" when 5 divides
// r.
func made(p Plan, i, runs int) *Shard {
	s := &Shard{Header: Header{Schema: Schema, Plan: p, Shard: i}}
	s.Coverage.Rules = []string{}
	seen := map[string]bool{}
	for r := uint64(1); r <= uint64(p.Asked) && s.Counters.Runs < runs; r++ {
		if r%uint64(p.Shards) != uint64(i) {
			continue
		}
		s.Counters.Runs++
		s.Counters.Steps += 10 + r
		s.Coverage.Traces.Add(r / 2)
		if sig := fmt.Sprintf("s%d", r%7); r%5 == 0 && !seen[sig] {
			seen[sig] = true
			s.Findings = append(s.Findings, Finding{Severity: Error, Rules: []string{"IRP-00" + sig[1:]},
				Signature: sig, Run: r, Token: fmt.Sprint("token", r), Headline: "broken"})
			s.Coverage.Rules = append(s.Coverage.Rules, "IRP-00"+sig[1:])
		}
	}
	s.Counters.State = Complete
	if runs < p.Asked/p.Shards {
		s.Counters.State = Running
	}
	s.Counters.Traces = s.Coverage.Traces.Count()
	return s
}

func printed(t testing.TB, u *Union) string {
	t.Helper()
	b, err := json.MarshalIndent(u.Summaries(), "", " ")
	require.NoError(t, err)
	return string(b)
}

func TestUnion_OfShardsIsTheUndividedExploration(t *testing.T) {
	one := made(plan("TestA", 1), 0, 100)
	for m := 2; m <= 7; m++ {
		var shards []*Shard
		for i := range m {
			shards = append(shards, made(plan("TestA", m), i, 100))
		}
		var u, v Union
		require.NoError(t, v.Add(one))
		for _, s := range shards {
			require.NoError(t, u.Add(s))
		}
		got, want := u.Summaries()[0], v.Summaries()[0]
		got.Present, got.Shards = want.Present, want.Shards
		assert.Equal(t, text(t, &want.Set), text(t, &got.Set))
		assert.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreFields(Summary{}, "alone", "Set")), "%d shards", m)
		assert.Equal(t, 100, got.Runs)
		assert.Len(t, got.Findings, 7)
		assert.EqualValues(t, 5, got.Findings[0].Run, "the lowest run of all that has the signature")
	}
}

func TestUnion_IsAssociativeCommutativeAndIdempotent(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) []*Shard {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Shard {
			test := rapid.SampledFrom([]string{"TestA", "TestB"}).Draw(t, "test")
			return made(plan(test, 4), rapid.IntRange(0, 3).Draw(t, "shard"),
				rapid.SampledFrom([]int{0, 3, 9, 25}).Draw(t, "runs"))
		}), 0, 5).Draw(t, "shards")
	})
	rapid.Check(t, func(rt *rapid.T) {
		of := func(lists ...[]*Shard) *Union {
			u := &Union{}
			for _, l := range lists {
				for _, s := range l {
					require.NoError(rt, u.Add(s))
				}
			}
			return u
		}
		merge := func(a, b *Union) *Union {
			u := of()
			require.NoError(rt, u.Merge(a))
			require.NoError(rt, u.Merge(b))
			return u
		}
		a, b, c := gen.Draw(rt, "a"), gen.Draw(rt, "b"), gen.Draw(rt, "c")
		left := printed(t, merge(merge(of(a), of(b)), of(c)))
		assert.Equal(rt, left, printed(t, merge(of(a), merge(of(b), of(c)))))
		assert.Equal(rt, left, printed(t, merge(of(c), merge(of(b), of(a)))))
		assert.Equal(rt, left, printed(t, of(c, a, b, a, c)))
	})
}

func TestUnion_NamesWhatIsMissing(t *testing.T) {
	p := plan("TestA", 5)
	budget := made(p, 4, 2)
	budget.Counters.State = Budget
	var u Union
	for _, s := range []*Shard{made(p, 0, 20), budget, made(p, 2, 3)} {
		require.NoError(t, u.Add(s))
	}
	s := u.Summaries()[0]
	assert.Equal(t, []int{0, 2, 4}, s.Present)
	assert.Equal(t, []int{1, 3}, s.Missing)
	assert.Equal(t, []int{2}, s.Running)
	assert.Equal(t, []int{4}, s.OutOf)
	assert.Equal(t, "incomplete (shards 1, 3 missing): 25 of 100 runs", s.Coverage())
	require.NoError(t, u.Add(made(p, 1, 20)))
	require.NoError(t, u.Add(made(p, 3, 20)))
	assert.Equal(t, "incomplete (shard 2 interrupted): 65 of 100 runs", u.Summaries()[0].Coverage())
	require.NoError(t, u.Add(made(p, 2, 20)))
	assert.Equal(t, "incomplete (budget): 82 of 100 runs", u.Summaries()[0].Coverage())
	require.NoError(t, u.Add(made(p, 4, 20)))
	assert.Equal(t, "complete: 100 of 100 runs", u.Summaries()[0].Coverage())
}

func TestSummary_OfOneShardAlone(t *testing.T) {
	var u Union
	require.NoError(t, u.Add(made(plan("TestA", 3), 1, 100)))
	s := u.Summaries()[0]
	assert.Equal(t, "incomplete (shards 0, 2 missing): 34 of 100 runs", s.Coverage())
	s.Alone()
	assert.Equal(t, "shard 1 of 3 complete: 34 of 34 runs", s.Coverage())
}

func TestUnion_RefusesContradictions(t *testing.T) {
	p := plan("TestA", 4)
	for want, change := range map[string]func(*Plan){
		"they differ in master seed (0, 9)":                       func(p *Plan) { p.Master = 9 },
		"they differ in strategy (random, pct2)":                  func(p *Plan) { p.Strategy = "pct2" },
		"they differ in options (2 processors, notes)":            func(p *Plan) { p.Options = "notes" },
		"they differ in runs (100, 200)":                          func(p *Plan) { p.Asked = 200 },
		"they differ in number of shards (4, 5)":                  func(p *Plan) { p.Shards = 5 },
		"they differ in keepgoing (true, false)":                  func(p *Plan) { p.KeepGoing = false },
		"shards of TestA contradict each other: they differ in f": func(p *Plan) { p.First = 2 },
	} {
		other := p
		change(&other)
		var u Union
		require.NoError(t, u.Add(made(p, 0, 25)))
		assert.ErrorContains(t, u.Add(made(other, 1, 25)), want)
	}
	var u Union
	require.NoError(t, u.Add(made(p, 0, 25)))
	different := made(p, 0, 25)
	different.Counters.Steps++
	assert.ErrorContains(t, u.Add(different), "shard 0 of 4 of TestA is there twice with different results")
	elsewhere := p
	elsewhere.Package, elsewhere.Master = "m/q", 9
	assert.NoError(t, u.Add(made(elsewhere, 0, 25)), "a test of that name in another package")
}

func TestShard_FileIsReadAsItWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := made(plan("TestA/b c", 4), 1, 25)
	s.Counters.Search = json.RawMessage(`{"stack":[1,2]}`)
	require.NoError(t, s.Save(dir))
	name := filepath.Join(dir, s.Header.FileName())
	assert.Regexp(t, `TestA-b-c-[0-9a-f]{8}\.1-of-4\.jsonl$`, name)
	r, err := Load(name)
	require.NoError(t, err)
	var a, b bytes.Buffer
	require.NoError(t, s.Encode(&a))
	require.NoError(t, r.Encode(&b))
	assert.Equal(t, a.String(), b.String())
	assert.Equal(t, `{"stack":[1,2]}`, string(r.Counters.Search))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing else is left in the directory")
}

func TestDecode_RefusesWhatIsNoResult(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, made(plan("TestA", 4), 1, 25).Encode(&b))
	good := b.String()
	lines := strings.SplitAfter(good, "\n")
	for bad, want := range map[string]string{
		"":                                     "lines are missing",
		"hello\n":                              "line 1: no JSON object",
		lines[1]:                               "line 1: no header of schema calloutsim-results/1",
		strings.Join(lines[:len(lines)-2], ""): "lines are missing or doubled",
		good + lines[0]:                        "lines are missing or doubled",
		good[:len(good)-10]:                    "no JSON object",
		strings.Replace(good, "results/1", "results/2", 1):             "no header of schema",
		strings.Replace(good, `"kind":"finding"`, `"kind":"f"`, 1):     `line 2: "f" is no kind of line`,
		strings.Replace(good, `"shard":1`, `"shard":4`, 1):             "there is no shard 4 of 4",
		strings.Replace(good, `"state":"complete"`, `"state":"x"`, 1):  `"x" is no state of a shard`,
		strings.Replace(good, `"runs":25`, `"runs":26`, 1):             "26 of 25 runs were made",
		strings.Replace(good, `"asked":100`, `"asked":"a hundred"`, 1): "line 1: ",
	} {
		_, err := Decode(strings.NewReader(bad))
		assert.ErrorContains(t, err, want)
	}
	_, err := Decode(strings.NewReader(good))
	assert.NoError(t, err)
}

func TestFinding_Title(t *testing.T) {
	f := Finding{Headline: "counter is 1"}
	assert.Equal(t, "counter is 1", f.Title())
	f.Rules, f.Name = []string{"IRP-001"}, "irp/DoubleCompletion"
	assert.Equal(t, "IRP-001 irp/DoubleCompletion", f.Title())
}

func TestPlan_PartsAreDisjointAndComplete(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Plan{Asked: rapid.IntRange(1, 300).Draw(rt, "runs"),
			First:  rapid.Uint64Range(1, 1000).Draw(rt, "first"),
			Shards: rapid.IntRange(1, 40).Draw(rt, "shards")}
		seen := map[uint64]int{}
		for i := range p.Shards {
			first, n := p.Part(i)
			for k := range n {
				r := first + uint64(k*p.Shards)
				seen[r]++
				assert.EqualValues(rt, i, r%uint64(p.Shards))
				assert.True(rt, r >= p.First && r < p.First+uint64(p.Asked), "run %d", r)
			}
		}
		assert.Len(rt, seen, p.Asked, "every run, and none twice")
	})
}
