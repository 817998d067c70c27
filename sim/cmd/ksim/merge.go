package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/sim/results"
)

func newMerge() *cobra.Command {
	var reports bool
	var out outputs
	c := &cobra.Command{
		Use:   "merge DIR...",
		Short: "Put the results of shards together",
		Long: "merge puts together what explorations have left in directories (-sim.out, ksim explore\n" +
			"--out): findings by signature, each from the lowest run that had it, and what was looked\n" +
			"at. In which order the directories come makes no difference, nor does it when a shard\n" +
			"comes twice.",
		Example: "  ksim merge results\n  ksim merge shard-*/ --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("merge: DIR is missing")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&reports, "reports", false, "print the report of every finding")
	out.flags(c.Flags())
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, dirs []string) error {
		if err := out.check("merge"); err != nil {
			return err
		}
		sums, err := mergeDirs(dirs)
		if err != nil {
			return err
		}
		w := c.OutOrStdout()
		if *asJSON {
			if err := printJSON(w, sums); err != nil {
				return err
			}
		} else {
			printSummaries(w, sums, reports)
		}
		if err := out.write("merge", w, mergedSources(&out, sums), verdictsOf(sums)); err != nil {
			return err
		}
		return mergeVerdict(sums)
	}
	return c
}

// verdictsOf makes a verdict of each exploration.
func verdictsOf(sums []*results.Summary) []*verdict {
	var all []*verdict
	for _, s := range sums {
		v := &verdict{pkg: s.Package, test: s.Test, sums: []*results.Summary{s}}
		if why := unsound(s); why != "" && !s.Failed() {
			v.failed, v.output = true, s.Test+" "+why
		}
		all = append(all, v)
	}
	return all
}

// mergedSources finds the sources of what was explored, if they are here and anybody asks.
func mergedSources(o *outputs, sums []*results.Summary) *sources {
	var pkgs []string
	for _, s := range sums {
		if s.Package != "" && !slices.Contains(pkgs, s.Package) {
			pkgs = append(pkgs, s.Package)
		}
	}
	if len(pkgs) == 0 || !o.github && o.sarif == "" {
		return nil
	}
	return sourcesOf(pkgs)
}

// unsound says why an exploration says nothing although it has no findings: shards are missing or were
// interrupted, or a driver was never loaded.
func unsound(s *results.Summary) string {
	switch {
	case len(s.Missing)+len(s.Running) > 0:
		return "is " + s.Coverage()
	case len(s.Never) > 0 && !s.Collect:
		return "never loaded " + strings.Join(s.Never, " and ")
	}
	return ""
}

// mergeDirs reads the result files of directories.
func mergeDirs(dirs []string) ([]*results.Summary, error) {
	var u results.Union
	for _, dir := range dirs {
		n, err := u.AddDir(dir, nil)
		if err != nil {
			return nil, usagef("merge: %v", err)
		}
		if n == 0 {
			return nil, usagef("merge: %s has no results", dir)
		}
	}
	return u.Summaries(), nil
}

// mergeVerdict gives the exit code: findings first, then shards that say nothing.
func mergeVerdict(sums []*results.Summary) error {
	var open []string
	for _, s := range sums {
		if s.Failed() {
			return &exit{code: exitFindings}
		}
		if why := unsound(s); why != "" {
			open = append(open, s.Test+" "+why)
		}
	}
	if len(open) > 0 {
		return usagef("merge: %s", strings.Join(open, "; "))
	}
	return nil
}

// printSummaries prints one paragraph for each exploration, and the sum of all.
func printSummaries(w io.Writer, sums []*results.Summary, reports bool) {
	runs, findings := 0, 0
	for _, s := range sums {
		runs += s.Runs
		findings += printSummary(w, s, reports)
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s, %s, %s\n", count(len(sums), "exploration"), count(runs, "run"),
		count(findings, "finding"))
}

// printSummary prints one exploration and says how many findings fail its test.
func printSummary(w io.Writer, s *results.Summary, reports bool) (fail int) {
	about := ""
	if !s.Exact {
		about = "about "
	}
	fmt.Fprintf(w, "%s\n  %s in %s; %s%d distinct traces, %d steps\n  %s\n", title(s), s.Coverage(),
		count(s.Shards, "shard"), about, s.Traces, s.Steps, conditions(s))
	for _, c := range s.Covered {
		fmt.Fprintf(w, "  covered: %s\n", strings.TrimPrefix(c, "complete: "))
	}
	for _, f := range s.Findings {
		word := f.Severity
		switch {
		case f.Severity == results.Error && s.Collect:
			word = "collected by the test"
		case f.Severity == results.Error:
			fail++
			word = "finding"
		}
		like := ""
		if f.Failing > 1 {
			like = fmt.Sprintf(" (and %s like it)", count(f.Failing-1, "more run"))
		}
		run := fmt.Sprintf("run %d", f.Run)
		if f.Kept != "" {
			run = "kept run " + f.Kept
		}
		fmt.Fprintf(w, "  %s: %s%s: %s%s\n", word, run, like, where(&f), headline(&f))
		if f.Replay != "" {
			fmt.Fprintf(w, "    %s\n", f.Replay)
		}
		if reports && f.Report != "" && !s.Collect {
			fmt.Fprintf(w, "\n%s\n", strings.TrimRight(f.Report, "\n"))
		}
	}
	return fail
}

// title names an exploration.
func title(s *results.Summary) string {
	if s.Package == "" {
		return s.Test
	}
	return s.Test + " of " + s.Package
}

// conditions says how the runs were made.
func conditions(s *results.Summary) string {
	text := "strategy " + s.Strategy + ", " + s.Options
	if s.Master != 0 {
		text += fmt.Sprintf(", master seed %d", s.Master)
	}
	if s.First != 1 {
		text += fmt.Sprintf(", runs from %d on", s.First)
	}
	if s.KeepGoing {
		text += ", goes on after findings"
	}
	return text
}

// where is the position of a finding, as compilers print it.
func where(f *results.Finding) string {
	if f.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", f.File, f.Line)
}

// headline is rule and headline; the headlines of failures begin with both, in files
// of earlier versions with the number alone.
func headline(f *results.Finding) string {
	if len(f.Rules) == 0 {
		return f.Headline
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(f.Headline, f.Title()+": "), f.Rules[0]+": ")
	return f.Title() + ": " + bare
}

// count is "1 run" or "2 runs".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
