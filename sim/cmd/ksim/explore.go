package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"calloutsim/internal/explore"
	"calloutsim/sim"
	"calloutsim/sim/results"
)

// exploreFlags are those of ksim explore.
type exploreFlags struct {
	opt    sim.ExploreOptions
	run    string
	seeds  string
	fix    []string
	bounds bounds
	out    outputs
	limit  time.Duration
	shard  int // of this command
	shards int
	set    *pflag.FlagSet
}

// bounds are --answers and --faults, where 0 is none; Options have a negative number for that.
type bounds struct{ answers, faults int }

func newExplore() *cobra.Command {
	f := &exploreFlags{}
	c := &cobra.Command{
		Use:   "explore PKG...|SCENARIO",
		Short: "Make many runs of the tests of packages, or of a built-in scenario",
		Long: "explore makes many runs of every sim.Explore of packages, through go test, or of a\n" +
			"built-in scenario. What is not said here is as the test has it. A package is written as\n" +
			"./DIR or with its import path; ./... are all below, of which those without tests of the\n" +
			"simulator are left out.",
		Example: "  ksim explore connect-redirect --seeds 1-1000\n" +
			"  ksim explore ./driver --run TestCancel --seeds 1-100000 --budget 60s\n" +
			"  ksim explore ./... --keepgoing --junit junit.xml --sarif ksim.sarif\n" +
			"  ksim explore ./driver --seeds 1-100000 --shard 0/4 --keepgoing --out results",
		Args: packagesOrScenario,
		RunE: func(c *cobra.Command, args []string) error {
			f.set = c.Flags()
			if err := f.check(args[0]); err != nil {
				return err
			}
			return f.explore(c.OutOrStdout(), args)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.run, "run", ".", "only tests that match this expression, as for go test")
	fs.StringVar(&f.seeds, "seeds", "", "runs: N, or those from A to B: A-B")
	fs.DurationVar(&f.opt.Budget, "budget", 0, "each exploration starts no more runs after this time")
	fs.StringVar(&f.opt.Strategy, "strategy", "", "how runs choose (portfolio); dfs, dpor, preemptN and "+
		"delayN go through all of them")
	fs.IntVar(&f.bounds.answers, "answers", 1, "exhaustive strategies let at most so many answers of "+
		"Windows be others than the boring one; 0, under any strategy: none")
	fs.IntVar(&f.bounds.faults, "faults", 1, "exhaustive strategies let at most so many things fail in "+
		"one run; 0, under any strategy: none")
	fs.StringArrayVar(&f.fix, "fix", nil, fixHelp)
	fs.BoolVar(&f.opt.Coverage, "coverage", false, "print which outcomes of the DDIs in use came up")
	fs.Uint64Var(&f.opt.Master, "master", 0, "master seed: other runs under the same numbers")
	fs.StringVar(&f.opt.Shard, "shard", "", "only the runs r with r mod m = i: i/m")
	fs.BoolVar(&f.opt.KeepGoing, "keepgoing", false, "go on after findings")
	fs.StringVar(&f.opt.Out, "out", "", "keep the results in this directory; go on where it was interrupted")
	fs.IntVar(&f.opt.Workers, "workers", runtime.NumCPU(), "machines side by side, for a SCENARIO")
	fs.DurationVar(&f.limit, "timeout", 0, "the tests of a package end after this time, as with go test "+
		"(10m; none with --budget)")
	f.out.flags(fs)
	return c
}

// packagesOrScenario checks the arguments.
func packagesOrScenario(c *cobra.Command, args []string) error {
	if len(args) > 1 && !slices.ContainsFunc(args, func(a string) bool { return !isPackage(a) }) {
		return nil
	}
	return oneArg("PKG or SCENARIO")(c, args)
}

// check refuses values that make no sense, and flags that would do nothing.
func (f *exploreFlags) check(what string) error {
	var err error
	if f.set.Changed("seeds") {
		if f.opt.Seed0, f.opt.Runs, err = sim.ParseRuns(f.seeds); err != nil {
			return usagef("explore: --seeds %v", err)
		}
	}
	if f.shard, f.shards, err = f.opt.Resolve(); err != nil {
		return usagef("explore: %v", err)
	}
	if f.opt.Pins, err = fixed("explore", f.fix); err != nil {
		return err
	}
	if f.opt.Answers, err = f.bound("answers", f.bounds.answers); err != nil {
		return err
	}
	if f.opt.Faults, err = f.bound("faults", f.bounds.faults); err != nil {
		return err
	}
	if err = explore.Check(cmp.Or(f.opt.Strategy, "random")); err != nil {
		return usagef("explore: %v", err)
	}
	if _, err = regexp.Compile(f.run); err != nil {
		return usagef("explore: --run: %v", err)
	}
	switch {
	case f.set.Changed("budget") && f.opt.Budget <= 0:
		return usagef("explore: --budget %v: it is a time such as 90s or 10m", f.opt.Budget)
	case f.opt.Workers < 1:
		return usagef("explore: --workers %d: it takes one at least", f.opt.Workers)
	case f.set.Changed("run") && !isPackage(what):
		return usagef("explore: --run is for the tests of a package, written as ./DIR or with its path")
	case f.set.Changed("timeout") && f.limit < 0:
		return usagef("explore: --timeout %v: it is a time such as 90s or 10m, or 0 for none", f.limit)
	case f.set.Changed("timeout") && !isPackage(what):
		return usagef("explore: --timeout is for the tests of a package; --budget limits a scenario")
	case f.set.Changed("workers") && isPackage(what):
		return usagef("explore: --workers is for a built-in scenario; a test says it itself")
	}
	return f.out.check("explore")
}

// bound gives a bound as the options have it.
func (f *exploreFlags) bound(name string, n int) (int, error) {
	switch {
	case !f.set.Changed(name):
		return 0, nil
	case n < 0:
		return 0, usagef("explore: --%s %d: it is 0 at least", name, n)
	case n == 0:
		return -1, nil
	}
	return n, nil
}

// explore makes the runs, and prints what came of them.
func (f *exploreFlags) explore(w io.Writer, what []string) error {
	if f.opt.Out == "" {
		dir, err := os.MkdirTemp("", "ksim-explore-")
		if err != nil {
			return usagef("explore: %v", err)
		}
		defer os.RemoveAll(dir)
		f.opt.Out = dir
	}
	dir, err := filepath.Abs(f.opt.Out) // a test runs in the directory of its package
	if err != nil {
		return usagef("explore: %v", err)
	}
	f.opt.Out = dir
	if isPackage(what[0]) {
		return f.tests(w, what)
	}
	return f.scenario(w, what[0])
}

// scenario explores a built-in scenario.
func (f *exploreFlags) scenario(w io.Writer, name string) error {
	all := scenarios()
	i := slices.IndexFunc(all, func(s sim.Scenario) bool { return s.Name == name })
	if i < 0 {
		return noScenario("explore", name)
	}
	s := all[i]
	stop := showProgress(os.Stderr, f.opt.Out)
	caught := catch()
	r, err := func() (sim.Result, error) { defer stop(); return sim.ExploreScenario(s, f.opt) }()
	sig := caught()
	if err != nil {
		return usagef("explore: %v", err)
	}
	v := &verdict{pkg: "ksim", test: s.Name}
	if err := f.collect(func(sum *results.Summary) *verdict {
		if sum.Package == "" && sum.Test == s.Name {
			return v
		}
		return nil
	}); err != nil {
		return err
	}
	err = f.out.report("explore", w, nil, []*verdict{v})
	if r.Coverage != nil {
		fmt.Fprintf(w, "\n%v", r.Coverage)
	}
	if sig != nil {
		return interrupted("explore", sig)
	}
	return err
}

// tests explores the tests of packages.
func (f *exploreFlags) tests(w io.Writer, patterns []string) error {
	all, err := listPackages(patterns)
	if err != nil {
		return err
	}
	pkgs, without := withSimulator(all)
	what := strings.Join(patterns, " ")
	if len(pkgs) == 0 {
		return usagef("explore: the tests of %s do not use package sim", what)
	}
	stop := showProgress(os.Stderr, f.opt.Out)
	r, err := func() (*goTestRun, error) { defer stop(); return goTest(f.goTestArgs(pkgs)...) }()
	if err != nil {
		return err
	}
	verdicts := r.broken()
	if err := r.mistake("explore", what); err != nil && r.signal == nil && len(verdicts) == 0 {
		return err
	}
	if len(r.tests)+len(verdicts) == 0 && r.signal == nil {
		return usagef("explore: no test of %s matches %q", what, f.run)
	}
	builds := len(verdicts)
	for _, t := range r.leaves() {
		if m := refused.FindString(t.text()); m != "" && t.action == "fail" {
			return usagef("explore: %s: %s", t.name, strings.TrimPrefix(m, "sim.Explore: "))
		}
		verdicts = append(verdicts, &verdict{pkg: t.pkg, test: t.name, skipped: t.action == "skip",
			failed: t.action == "fail" || t.action == "", elapsed: t.elapsed, output: t.text()})
	}
	if err := f.collect(func(sum *results.Summary) *verdict {
		i := slices.IndexFunc(verdicts, func(v *verdict) bool {
			return v.pkg == sum.Package && v.test == sum.Test
		})
		if i < 0 {
			return nil // of an earlier command with the same directory
		}
		return verdicts[i]
	}); err != nil {
		return err
	}
	report := func() error {
		err := f.out.report("explore", w, sourcesOf(pkgs), verdicts)
		f.tellCoverage(w, verdicts)
		if without > 0 {
			fmt.Fprintf(w, "%s without simulator tests\n", count(without, "package"))
		}
		return err
	}
	switch explored := slices.ContainsFunc(verdicts, func(v *verdict) bool {
		return len(v.sums) > 0 || v.failed
	}); {
	case r.signal != nil:
		_ = report() // how it ends is no question any more
		return interrupted("explore", r.signal)
	case builds > 0 && builds == len(verdicts):
		_ = report()
		return usagef("explore: %s cannot be tested", what)
	case !explored:
		return usagef("explore: no test of %s that matches %q calls sim.Explore", what, f.run)
	}
	return report()
}

// tellCoverage prints the outcomes that the explorations counted.
func (f *exploreFlags) tellCoverage(w io.Writer, verdicts []*verdict) {
	if !f.opt.Coverage {
		return
	}
	for _, v := range verdicts {
		for _, s := range v.sums {
			set := &sim.Coverage{}
			for _, text := range s.Outcomes {
				one := &sim.Coverage{}
				if json.Unmarshal(text, one) == nil { // it was written a moment ago
					set.Merge(one)
				}
			}
			fmt.Fprintf(w, "\n%s: %v", title(s), set)
		}
	}
}

// refused matches what Explore says when it does not begin.
var refused = regexp.MustCompile(`(?m)sim\.Explore: .*$`)

// goTestArgs are the arguments of go test: what was not said here is left to the test.
func (f *exploreFlags) goTestArgs(pkgs []string) []string {
	var args []string
	switch {
	case f.set.Changed("timeout"):
		args = append(args, "-timeout="+f.limit.String())
	case f.set.Changed("budget"):
		args = append(args, "-timeout=0") // the budget ends it
	}
	args = append(append(args, "-run", f.run), pkgs...)
	args = append(args, "-sim.out="+f.opt.Out)
	if len(f.fix) > 0 {
		args = append(args, "-sim.fix="+strings.Join(f.fix, " "))
	}
	for _, name := range []string{"seeds", "budget", "strategy", "answers", "faults", "master", "shard",
		"keepgoing", "coverage"} {
		if f.set.Changed(name) {
			value := f.set.Lookup(name).Value.String()
			args = append(args, "-sim."+strings.Replace(name, "seeds", "runs", 1)+"="+value)
		}
	}
	return args
}

// collect gives every exploration of this shard in the directory to its test.
func (f *exploreFlags) collect(of func(*results.Summary) *verdict) error {
	var u results.Union
	ours := func(h *results.Header) bool { return h.Shard == f.shard && h.Shards == f.shards }
	if _, err := u.AddDir(f.opt.Out, ours); err != nil && !errors.Is(err, os.ErrNotExist) {
		return usagef("explore: %v", err)
	}
	for _, s := range u.Summaries() {
		s.Alone()
		if v := of(s); v != nil {
			v.sums = append(v.sums, s)
		}
	}
	return nil
}
