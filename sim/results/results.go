// Package results holds what explorations leave behind: one file for each shard of each exploration, and the
// union of such files.
//
// A file is JSON lines: a header, which says what was asked for; one line for each finding signature, from
// the lowest run that had it; counters, with how far the shard has come; and coverage. It is written as a
// whole, again and again while the shard goes on, and is what an interrupted shard goes on from. It holds no
// times and no paths of the machine it was written on: the same shard gives the same bytes.
package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Schema names the format and its version.
const Schema = "calloutsim-results/1"

// Ext is how the names of result files end.
const Ext = ".jsonl"

// Pattern is the pattern of go test -run that selects one test or subtest by its name.
func Pattern(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// Plan is what an exploration was asked to do. All shards of one exploration have the same plan.
type Plan struct {
	Module    string `json:"module"`
	Package   string `json:"package"`
	Test      string `json:"test"`
	Scenario  string `json:"scenario"` // the hash that tokens carry
	Strategy  string `json:"strategy"`
	Options   string `json:"options"` // of the machines, in words
	Master    uint64 `json:"master"`
	First     uint64 `json:"first"` // number of the first run
	Asked     int    `json:"asked"` // runs of all shards together
	KeepGoing bool   `json:"keepgoing"`
	Collect   bool   `json:"collect"` // findings do not fail the test: it looks at them itself
	Shards    int    `json:"shards"`

	// Search says that the strategy goes through a tree, which is what shards divide; Asked is a limit then,
	// for each shard.
	Search bool `json:"search,omitempty"`
}

// Differs names the first thing in which another plan differs; "" when nothing does.
func (p *Plan) Differs(o *Plan) string {
	for _, f := range []struct {
		name string
		a, b any
	}{
		{"module", p.Module, o.Module}, {"package", p.Package, o.Package}, {"test", p.Test, o.Test},
		{"scenario hash", p.Scenario, o.Scenario}, {"strategy", p.Strategy, o.Strategy},
		{"options", p.Options, o.Options}, {"master seed", p.Master, o.Master},
		{"first run", p.First, o.First}, {"runs", p.Asked, o.Asked},
		{"keepgoing", p.KeepGoing, o.KeepGoing}, {"collect", p.Collect, o.Collect},
		{"number of shards", p.Shards, o.Shards},
	} {
		if f.a != f.b {
			return fmt.Sprintf("%s (%v, %v)", f.name, f.a, f.b)
		}
	}
	return ""
}

// Part gives the runs of a shard: the numbers r with r mod Shards = shard, from first on in steps of Shards,
// n of them. Those of a Search are not known before.
func (p *Plan) Part(shard int) (first uint64, n int) {
	if p.Search {
		return 1, p.Asked
	}
	m := uint64(p.Shards)
	skip := (uint64(shard) + m - p.First%m) % m
	if skip < uint64(p.Asked) {
		n = int((uint64(p.Asked)-skip-1)/m) + 1
	}
	return p.First + skip, n
}

// Header is the first line of a file.
type Header struct {
	Schema string `json:"schema"`
	Plan
	Shard int    `json:"shard"` // from 0
	Build string `json:"build"` // hash of the test binary
}

// FileName gives the name of the file for a shard: the test, a hash that tells apart tests of one name, and
// the shard.
func (h *Header) FileName() string {
	sum := fnv.New32a()
	fmt.Fprintf(sum, "%s\n%s\n%s\n%s", h.Module, h.Package, h.Test, h.Scenario)
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '-'
	}, h.Test)
	return fmt.Sprintf("%s-%08x.%d-of-%d%s", name[:min(len(name), 100)], sum.Sum32(), h.Shard, h.Shards, Ext)
}

// Finding is one signature and the lowest run that has it. The signature of a failure has a line for each
// defect that the run shows.
type Finding struct {
	Severity  string   `json:"severity"`        // error for what fails a test, else warning or note
	Rules     []string `json:"rules,omitempty"` // numbers; none for a failed assertion
	Name      string   `json:"name,omitempty"`  // of the first rule: "irp/DoubleCompletion"
	Signature string   `json:"signature"`
	Run       uint64   `json:"run"`
	Failing   int      `json:"failing,omitempty"` // runs that failed like it, this one included
	Token     string   `json:"token"`
	Headline  string   `json:"headline"`
	File      string   `json:"file,omitempty"` // base name; nothing for hazards
	Line      int      `json:"line,omitempty"`
	Replay    string   `json:"replay,omitempty"` // command that repeats the run
	Kept      string   `json:"kept,omitempty"`   // the file of a kept run that still fails; its Run is 0
	Report    string   `json:"report,omitempty"` // nothing while the shard goes on, and for hazards
}

// Error is the severity of findings that fail a test.
const Error = "error"

// Title is number and name of the rule, or the headline where no rule was broken.
func (f *Finding) Title() string {
	if len(f.Rules) == 0 {
		return f.Headline
	}
	return strings.TrimSpace(f.Rules[0] + " " + f.Name)
}

// State says how far a shard has come.
type State string

// The states.
const (
	Running  State = "running"  // it goes on, or was interrupted
	Budget   State = "budget"   // it had no time left and can go on
	Stopped  State = "finding"  // it stopped at its first finding
	Complete State = "complete" // it has made every run, or its strategy has no more
)

// Counters are sums over the runs of a shard.
type Counters struct {
	State  State  `json:"state"`
	Runs   int    `json:"runs"` // made
	Steps  uint64 `json:"steps"`
	Traces uint64 `json:"distinct_traces"`
	// Covered says in words what was gone through, for strategies that come to an end by themselves.
	Covered string          `json:"covered,omitempty"`
	Search  json.RawMessage `json:"search,omitempty"` // where an exhaustive search stands; its own business
}

// Coverage is what the runs of a shard have seen.
type Coverage struct {
	Rules  []string `json:"rules"` // numbers of the rules of all findings, in order
	Traces Traces   `json:"traces"`
	// Drivers are those that runs tried to load, and whether any run has loaded them.
	Drivers map[string]bool `json:"drivers,omitempty"`
	// Outcomes are those of routines, in the form of package coverage, where they were counted; not of the
	// runs before an interruption.
	Outcomes json.RawMessage `json:"outcomes,omitempty"`
}

// Shard is one file.
type Shard struct {
	Header   Header
	Findings []Finding // by run and signature
	Counters Counters
	Coverage Coverage
}

// The lines of a file, each with its kind in front.
type (
	kindOnly   struct{ Kind string }
	headerLine struct {
		Kind string `json:"kind"`
		Header
	}
	findingLine struct {
		Kind string `json:"kind"`
		Finding
	}
	countersLine struct {
		Kind string `json:"kind"`
		Counters
	}
	coverageLine struct {
		Kind string `json:"kind"`
		Coverage
	}
)

// Encode writes the lines of a shard.
func (s *Shard) Encode(w io.Writer) error {
	lines := []any{headerLine{"header", s.Header}}
	for _, f := range s.Findings {
		lines = append(lines, findingLine{"finding", f})
	}
	s.Counters.Traces = s.Coverage.Traces.Count()
	lines = append(lines, countersLine{"counters", s.Counters}, coverageLine{"coverage", s.Coverage})
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, l := range lines {
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// Save writes the file of a shard into a directory, which it makes. Whoever reads the file sees the old one
// or the new one.
func (s *Shard) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := s.Header.FileName()
	f, err := os.CreateTemp(dir, name+".*.part")
	if err != nil {
		return err
	}
	b := bufio.NewWriter(f)
	err = errors.Join(s.Encode(b), b.Flush(), f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// Decode reads one file.
func Decode(r io.Reader) (*Shard, error) {
	s := &Shard{}
	in := bufio.NewReader(r)
	kinds := ""
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		kind, err := s.decodeLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if n == 1 && (kind != "header" || s.Header.Schema != Schema) {
			return nil, fmt.Errorf("line 1: no header of schema %s", Schema)
		}
		kinds += kind[:3]
	}
	want := "hea" + strings.Repeat("fin", len(s.Findings)) + "coucov"
	if kinds != want {
		return nil, errors.New("lines are missing or doubled: was it copied whole?")
	}
	return s, s.check()
}

// decodeLine reads one line into its place.
func (s *Shard) decodeLine(line []byte) (kind string, err error) {
	var k kindOnly
	if err := json.Unmarshal(line, &k); err != nil {
		return "", errors.New("no JSON object")
	}
	switch k.Kind {
	case "header":
		err = json.Unmarshal(line, &s.Header)
	case "finding":
		var f Finding
		err = json.Unmarshal(line, &f)
		s.Findings = append(s.Findings, f)
	case "counters":
		err = json.Unmarshal(line, &s.Counters)
	case "coverage":
		err = json.Unmarshal(line, &s.Coverage)
	default:
		err = fmt.Errorf("%q is no kind of line", k.Kind)
	}
	return k.Kind, err
}

// check refuses numbers that no shard can have.
func (s *Shard) check() error {
	h, c := &s.Header, &s.Counters
	switch {
	case h.Shards < 1 || h.Shard < 0 || h.Shard >= h.Shards:
		return fmt.Errorf("there is no shard %d of %d", h.Shard, h.Shards)
	case !slices.Contains([]State{Running, Budget, Stopped, Complete}, c.State):
		return fmt.Errorf("%q is no state of a shard", c.State)
	}
	if _, n := h.Part(h.Shard); c.Runs < 0 || c.Runs > n {
		return fmt.Errorf("%d of %d runs were made", c.Runs, n)
	}
	return nil
}

// Load reads one file.
func Load(path string) (*Shard, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
