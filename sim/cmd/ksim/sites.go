package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"calloutsim/sim"
)

// siteRow is one choice site, as JSON has it.
type siteRow struct {
	Name         string   `json:"name"`
	Alternatives []string `json:"alternatives,omitempty"`
	Spec         string   `json:"spec"`
}

func newSites() *cobra.Command {
	c := &cobra.Command{
		Use:   "sites [PATTERN]",
		Short: "Which questions are left open, with their answers, and where the spec speaks of them",
		Long: "sites lists the choice sites: something that may fail (fault/…), what Windows is\n" +
			"documented or observed to do (doc/…), what the world outside does (env/…), who goes on\n" +
			"(sched/…). The first alternative is the boring one, number 0. In PATTERN an asterisk\n" +
			"stands for anything.\n" +
			"The last column is a chapter of a text in docs/spec.\n" +
			"--fix, -sim.fix and Options.Pins fix a site, or all that match a pattern, to one alternative.",
		Example: "  ksim sites\n  ksim sites 'doc/*'\n" +
			"  ksim explore connect-redirect --strategy dpor --fix 'env/*=0'",
		Args: atMostOne("PATTERN"),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		pattern := "*"
		if len(args) == 1 {
			pattern = args[0]
		}
		sites := sim.MatchSites(pattern)
		if len(sites) == 0 {
			return usagef("sites: no choice site matches %q; without it they are all listed", pattern)
		}
		rows := []siteRow{}
		for _, s := range sites {
			rows = append(rows, siteRow(s))
		}
		w := c.OutOrStdout()
		if *asJSON {
			return printJSON(w, rows)
		}
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range rows {
			alts := "(numbered)"
			if len(r.Alternatives) > 0 {
				alts = strings.Join(r.Alternatives, " | ")
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\n", r.Name, alts, r.Spec)
		}
		return tw.Flush()
	}
	return c
}
