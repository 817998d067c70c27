package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/internal/subsystems"
	"calloutsim/sim"
)

// newWFP is what ksim knows about the filter engine of a run.
func newWFP() *cobra.Command {
	c := &cobra.Command{
		Use:   "wfp",
		Short: "Ask a run about the filter engine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("wfp: what is to be told? ksim wfp why SCENARIO")
		},
	}
	c.AddCommand(newWhy())
	return c
}

func newWhy() *cobra.Command {
	var seed uint64
	var fix []string
	c := &cobra.Command{
		Use:   "why SCENARIO|TOKEN|FILE.sim [ENDPOINT]",
		Short: "Why a connection was redirected, not redirected, or blocked, on one page",
		Long: "why repeats a run of a built-in scenario, by its name, or a recorded one by its token or\n" +
			"file, and tells what became of a connection: of the last one that a program made, or of an\n" +
			"endpoint that the page names under other connections. It shows the state at the first\n" +
			"violation, or at the end.",
		Example: "  ksim wfp why connect-redirect\n" +
			"  ksim wfp why connect-redirect ep#4\n" +
			"  ksim wfp why connect-redirect-handle-missing --seed 3\n" +
			"  ksim wfp why kcs2:…",
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return usagef("wfp why: SCENARIO, TOKEN or FILE.sim is missing")
			case 1, 2:
				return nil
			}
			return usagef("wfp why: one ENDPOINT at a time, not also %q", args[2])
		},
		RunE: func(c *cobra.Command, args []string) error {
			command := strings.Join(append([]string{"!wfp why"}, args[1:]...), " ")
			opt := sim.RunOptions{Inspect: []string{command}}
			if c.Flags().Changed("seed") {
				if opt.Seed = seed; seed == 0 {
					return usagef("wfp why: --seed 0: runs are numbered from 1")
				}
			}
			return why(c, args[0], &opt, fix)
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 1, "number of the run; 1 is the boring one")
	c.Flags().StringArrayVar(&fix, "fix", nil, fixHelp)
	return c
}

// why runs and prints the page.
func why(c *cobra.Command, what string, opt *sim.RunOptions, fix []string) error {
	var err error
	if opt.Pins, err = fixed("wfp why", fix); err != nil {
		return err
	}
	if _, err := subsystems.ParseInspection(opt.Inspect[0]); err != nil {
		return usagef("wfp why: an ENDPOINT is an id such as ep#1, as the page names them")
	}
	s, err := recorded(what, opt)
	if err != nil {
		return err
	}
	out, err := sim.RunScenario(s, *opt)
	if err != nil {
		return usagef("wfp why: %s", asFlags.Replace(err.Error()))
	}
	defer out.Close()
	if out.Fault != nil {
		return &exit{exitFault, fmt.Sprint(out.Fault)}
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %s\n%s, %s\n\n", s.Name, s.Title, out.Machine.Describe(), out.Moment)
	for _, i := range out.Inspected {
		if i.Err != nil {
			return usagef("wfp why: there is no connection of that ENDPOINT %s", out.Moment)
		}
		for _, l := range i.Lines {
			fmt.Fprintln(c.OutOrStdout(), strings.TrimRight(l, " "))
		}
	}
	return nil
}

// recorded finds the scenario by its name, or the run by its token or file.
func recorded(what string, opt *sim.RunOptions) (sim.Scenario, error) {
	for _, s := range scenarios() {
		if s.Name == what {
			return s, nil
		}
	}
	if !strings.Contains(what, ":") && !strings.HasSuffix(what, simExt) {
		return sim.Scenario{}, noScenario("wfp why", what)
	}
	r, err := readReplay(what)
	if err != nil {
		return sim.Scenario{}, usagef("wfp why: %s", strings.TrimPrefix(err.Error(), "replay: "))
	}
	if opt.Seed != 0 {
		return sim.Scenario{}, usagef("wfp why: --seed cannot go with a recorded run: its token says it")
	}
	opt.Replay = &r.token
	for _, s := range scenarios() {
		if r.token.Of(s) {
			return s, nil
		}
	}
	return sim.Scenario{}, usagef("wfp why: the run is of no built-in scenario; in its test, ask with " +
		"m.Inspect(\"!wfp why\")")
}
