package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
)

// ruleRow is one line of the catalogue.
type ruleRow struct {
	Number      string `json:"number"`
	Name        string `json:"name,omitempty"`
	Severity    string `json:"severity"`
	Fatal       bool   `json:"fatal,omitempty"`
	Implemented bool   `json:"implemented"`
	Claim       string `json:"claim"`
	Source      string `json:"source,omitempty"`
}

func newRules() *cobra.Command {
	var query string
	c := &cobra.Command{
		Use:     "rules",
		Short:   "The catalogue of rules: number, severity, name, claim, source",
		Example: "  ksim rules\n  ksim rules -q pending",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("rules: it takes no argument; -q %s searches", args[0])
			}
			return nil
		},
	}
	c.Flags().StringVarP(&query, "query", "q", "", "only rules that contain this word")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		rows := ruleRows(query)
		if *asJSON {
			return printJSON(c.OutOrStdout(), rows)
		}
		return printRules(c.OutOrStdout(), rows)
	}
	return c
}

// ruleRows lists the rules that contain the word in number, name, claim, source or what detects them.
func ruleRows(query string) []ruleRow {
	recs := map[verify.RuleID]verify.Record{}
	for _, r := range subsystems.Rules() {
		recs[r.ID] = r
	}
	query = strings.ToLower(query)
	rows := []ruleRow{}
	for _, id := range verify.Rules() {
		row := verify.Rule(id)
		rec := recs[id]
		text := strings.Join([]string{row.Number, rec.FullName(), row.Claim, row.Detect, row.Source}, " ")
		text = strings.ToLower(text)
		if !strings.Contains(text, query) {
			continue
		}
		rows = append(rows, newRuleRow(row, rec))
	}
	return rows
}

func newRuleRow(row verify.Row, rec verify.Record) ruleRow {
	return ruleRow{Number: row.Number, Name: rec.FullName(), Severity: row.Severity.String(),
		Fatal: row.Fatal, Implemented: rec.ID != verify.NoRule, Claim: row.Claim, Source: row.Source}
}

func printRules(w io.Writer, rows []ruleRow) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	done := 0
	for _, r := range rows {
		name := r.Name
		if r.Implemented {
			done++
		} else {
			name = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.Number, r.Severity, name, clip(r.Claim, 64),
			clip(r.Source, 60))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d rules, %d of them checked by this version\n", len(rows), done)
	return err
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-2]) + ".."
	}
	return s
}
