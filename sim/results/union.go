package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// key tells explorations apart.
type key struct{ module, pkg, test, scenario string }

func (k key) compare(o key) int {
	return cmp.Or(strings.Compare(k.module, o.module), strings.Compare(k.pkg, o.pkg),
		strings.Compare(k.test, o.test), strings.Compare(k.scenario, o.scenario))
}

// Union is a set of shards of any number of explorations. Which order they come in makes no difference, and
// neither does it when one comes twice. The zero Union is empty.
type Union struct{ of map[key]map[int]*Shard }

// Add puts a shard into the union. Of two files of one shard the one that came further counts: as runs are
// determined by their numbers, it holds everything the other does.
func (u *Union) Add(s *Shard) error {
	h := &s.Header
	k := key{h.Module, h.Package, h.Test, h.Scenario}
	if u.of == nil {
		u.of = map[key]map[int]*Shard{}
	}
	shards := u.of[k]
	if shards == nil {
		shards = map[int]*Shard{}
		u.of[k] = shards
	}
	for _, other := range shards {
		if d := other.Header.Differs(&h.Plan); d != "" {
			return fmt.Errorf("shards of %s contradict each other: they differ in %s", h.Test, d)
		}
	}
	old := shards[h.Shard]
	if old != nil && old.Counters.Runs == s.Counters.Runs && !same(old, s) {
		return fmt.Errorf("shard %d of %d of %s is there twice with different results: the driver, the test "+
			"or the build is not the same", h.Shard, h.Shards, h.Test)
	}
	if old == nil || further(s, old) {
		shards[h.Shard] = s
	}
	return nil
}

// further orders the states of one shard.
func further(a, b *Shard) bool {
	rank := map[State]int{Running: 0, Budget: 1, Stopped: 2, Complete: 2}
	return cmp.Or(cmp.Compare(a.Counters.Runs, b.Counters.Runs),
		cmp.Compare(rank[a.Counters.State], rank[b.Counters.State])) > 0
}

// same compares what two shards of the same number of runs have seen.
func same(a, b *Shard) bool {
	sameFinding := func(x, y Finding) bool {
		return x.Run == y.Run && x.Signature == y.Signature && x.Token == y.Token
	}
	return a.Counters.Steps == b.Counters.Steps &&
		slices.EqualFunc(a.Findings, b.Findings, sameFinding) &&
		maps.Equal(a.Coverage.Traces.exact, b.Coverage.Traces.exact) &&
		slices.Equal(a.Coverage.Traces.ranks, b.Coverage.Traces.ranks)
}

// Merge adds another union, which stays as it is.
func (u *Union) Merge(o *Union) error {
	for _, k := range slices.SortedFunc(maps.Keys(o.of), key.compare) {
		for _, i := range slices.Sorted(maps.Keys(o.of[k])) {
			if err := u.Add(o.of[k][i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// AddDir puts every result file of a directory into the union, or those that keep wants, and says how many
// there were.
func (u *Union) AddDir(dir string, keep func(*Header) bool) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), Ext) {
			continue
		}
		s, err := Load(filepath.Join(dir, e.Name()))
		if err != nil {
			return n, err
		}
		if keep != nil && !keep(&s.Header) {
			continue
		}
		if err := u.Add(s); err != nil {
			return n, fmt.Errorf("%s: %w", filepath.Join(dir, e.Name()), err)
		}
		n++
	}
	return n, nil
}

// Summary is one exploration: its shards put together.
type Summary struct {
	Plan
	Present  []int     `json:"present"`           // shards that are there
	Missing  []int     `json:"missing,omitempty"` // shards that are not
	Running  []int     `json:"running,omitempty"` // shards that were interrupted or still go on
	OutOf    []int     `json:"budget,omitempty"`  // shards that had no time left
	Stopped  []int     `json:"stopped,omitempty"` // by a finding
	Covered  []string  `json:"covered,omitempty"` // what each shard went through, where a strategy ends
	Runs     int       `json:"runs"`              // made
	Steps    uint64    `json:"steps"`             // scheduling points passed
	Traces   uint64    `json:"distinct_traces"`   // an estimate unless Exact
	Exact    bool      `json:"exact"`             // whether Traces is exact
	Rules    []string  `json:"rules"`             // of all findings
	Findings []Finding `json:"findings"`          // one of each signature, from the lowest run that had it
	Set      Traces    `json:"-"`                 // the set itself
	alone    bool

	Outcomes []json.RawMessage `json:"-"`                      // of routines, by shard
	Never    []string          `json:"never_loaded,omitempty"` // drivers that no run has loaded
}

// Alone makes the summary of one shard speak of that shard only: nothing is missing.
func (s *Summary) Alone() {
	if len(s.Present) == 1 && s.Shards > 1 {
		s.Missing, s.alone = nil, true
	}
}

// Failed reports whether a finding fails the test.
func (s *Summary) Failed() bool {
	return !s.Collect && slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Severity == Error })
}

// Coverage says in words how much was looked at.
func (s *Summary) Coverage() string {
	asked, prefix := s.Asked, ""
	if s.Search {
		about := ""
		if !s.Exact {
			about = "about "
		}
		return s.covered(fmt.Sprintf("%d runs of strategy %s, %s%d of them differ", s.Runs, s.Strategy, about,
			s.Traces))
	}
	if s.alone {
		_, asked = s.Part(s.Present[0])
		prefix = fmt.Sprintf("shard %d of %d ", s.Present[0], s.Shards)
	}
	if len(s.Covered) > 0 { // how many there are was not known before
		return prefix + s.covered(fmt.Sprintf("%d runs", s.Runs))
	}
	return prefix + s.covered(fmt.Sprintf("%d of %d runs", s.Runs, asked))
}

func (s *Summary) covered(runs string) string {
	switch {
	case len(s.Missing) > 0:
		return "incomplete (" + list("shard", s.Missing) + " missing): " + runs
	case len(s.Running) > 0:
		return "incomplete (" + list("shard", s.Running) + " interrupted): " + runs
	case len(s.OutOf) > 0:
		return "incomplete (budget): " + runs
	case len(s.Stopped) > 0:
		return "stopped at the first finding: " + runs
	}
	return "complete: " + runs
}

// list is "shard 3" or "shards 3, 5".
func list(what string, numbers []int) string {
	text := make([]string, len(numbers))
	for i, n := range numbers {
		text[i] = fmt.Sprint(n)
	}
	if len(numbers) > 1 {
		what += "s"
	}
	return what + " " + strings.Join(text, ", ")
}

// Summaries puts the shards of each exploration together, in order of package and test.
func (u *Union) Summaries() []*Summary {
	var all []*Summary
	for _, k := range slices.SortedFunc(maps.Keys(u.of), key.compare) {
		all = append(all, summarize(u.of[k]))
	}
	return all
}

// summarize adds up the shards of one exploration.
func summarize(shards map[int]*Shard) *Summary {
	sum := &Summary{Rules: []string{}, Findings: []Finding{}}
	lowest, drivers := map[string]Finding{}, map[string]bool{}
	for _, i := range slices.Sorted(maps.Keys(shards)) {
		s := shards[i]
		sum.Plan = s.Header.Plan
		sum.Present = append(sum.Present, i)
		switch s.Counters.State {
		case Running:
			sum.Running = append(sum.Running, i)
		case Budget:
			sum.OutOf = append(sum.OutOf, i)
		case Stopped:
			sum.Stopped = append(sum.Stopped, i)
		}
		if c := s.Counters.Covered; c != "" {
			sum.Covered = append(sum.Covered, c)
		}
		sum.Runs += s.Counters.Runs
		sum.Steps += s.Counters.Steps
		sum.Rules = append(sum.Rules, s.Coverage.Rules...)
		sum.Set.Merge(&s.Coverage.Traces)
		if len(s.Coverage.Outcomes) > 0 {
			sum.Outcomes = append(sum.Outcomes, s.Coverage.Outcomes)
		}
		for name, loaded := range s.Coverage.Drivers {
			drivers[name] = drivers[name] || loaded
		}
		for _, f := range s.Findings {
			old, ok := lowest[f.Signature]
			runs := old.Failing + f.Failing
			if ok && old.Run < f.Run {
				f = old
			}
			f.Failing = runs
			lowest[f.Signature] = f
		}
	}
	for i := range sum.Shards {
		if shards[i] == nil {
			sum.Missing = append(sum.Missing, i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(drivers)) {
		if !drivers[name] {
			sum.Never = append(sum.Never, name)
		}
	}
	slices.Sort(sum.Rules)
	sum.Rules = slices.Compact(sum.Rules)
	sum.Traces, sum.Exact = sum.Set.Count(), sum.Set.Exact()
	for _, f := range lowest {
		sum.Findings = append(sum.Findings, f)
	}
	SortFindings(sum.Findings)
	sum.Findings = cover(sum.Findings)
	return sum
}

// SortFindings puts findings into the order of files: what fails first, then by run.
func SortFindings(fs []Finding) {
	mild := func(f Finding) int {
		if f.Severity == Error {
			return 0
		}
		return 1
	}
	slices.SortFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(mild(a), mild(b)), cmp.Compare(a.Run, b.Run),
			strings.Compare(a.Signature, b.Signature))
	})
}
