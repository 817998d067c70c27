package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/internal/verify"
	"calloutsim/sim"
	"calloutsim/sim/report"
)

func newExplain() *cobra.Command {
	return &cobra.Command{
		Use:     "explain RULE",
		Short:   "The page of one rule, by number or name",
		Example: "  ksim explain IRP-001\n  ksim explain irp/DoubleCompletion",
		Args:    oneArg("RULE"),
		RunE: func(c *cobra.Command, args []string) error {
			id, rec, err := findRule(args[0])
			if err != nil {
				return err
			}
			w := c.OutOrStdout()
			report.Explain(w, rec, verify.Rule(id))
			if rec.ID == verify.NoRule {
				fmt.Fprintln(w, "STATUS:         this version does not check the rule")
			}
			return example(w, id)
		},
	}
}

// findRule finds a rule by number, full name, or name alone where only one package has it.
func findRule(s string) (verify.RuleID, verify.Record, error) {
	id, ok := verify.ByNumber(s)
	var found []verify.Record
	for _, r := range sim.Records() {
		switch {
		case ok && r.ID == id, !ok && strings.EqualFold(r.FullName(), s):
			return r.ID, r, nil
		case !ok && strings.EqualFold(r.Name, s):
			found = append(found, r)
		}
	}
	switch {
	case ok:
		return id, verify.Record{}, nil
	case len(found) == 1:
		return found[0].ID, found[0], nil
	case len(found) > 1:
		return 0, verify.Record{}, usagef("explain: %q is a rule of several packages: %s and %s", s,
			found[0].FullName(), found[1].FullName())
	}
	return 0, verify.Record{}, usagef("explain: there is no rule %q (ksim rules -q WORD searches)", s)
}

// example runs the scenarios that are there to break the rule and prints the report of the one that takes
// the fewest events to do so, if there is any.
func example(w io.Writer, id verify.RuleID) error {
	var name, text string
	var fewest uint64
	for _, s := range scenarios() {
		if !slices.Contains(s.Expect, id.String()) {
			continue
		}
		out, err := sim.RunScenario(s, sim.RunOptions{})
		if err != nil {
			return err
		}
		if n := out.Machine.Kernel().Log().Len(); name == "" || n < fewest {
			name, text, fewest = s.Name, out.Machine.Report(), n
		}
		out.Close()
	}
	if name != "" {
		fmt.Fprintf(w, "\nEXAMPLE:        ksim run %s\n\n%s", name, text)
	}
	return nil
}
