package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"calloutsim/docs/rules"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/sim/report"
)

func newExplain() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain WHAT",
		Short: "Explain a rule, a routine, a status, a bug check, a control code, a constant, or words",
		Long: "explain takes whatever a report or a header names: a rule by number or name (its page:\n" +
			"what it says, what breaks it, the report), a driver interface or callback type, a status by\n" +
			"name or number, a bug check and its sub-codes (0xC9, 0xC9/0x229), a control code, a layer,\n" +
			"field, structure or constant of the WDK. Anything else is searched for by its words.",
		Example: "  ksim explain IRP-001\n  ksim explain irp/DoubleCompletion\n  ksim explain 0xC000009A\n" +
			"  ksim explain 0xC9/0x229\n  ksim explain KeAcquireSpinLock\n" +
			"  ksim explain completion routine returns success\n  ksim explain IRP-001 --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("explain: WHAT is missing: a rule, a routine, a status, or words")
			}
			return nil
		},
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return answerTo("explain", c.OutOrStdout(), strings.Join(args, " "), *asJSON, findRule, findDDI)
	}
	return c
}

// answerTo answers a question: by what has that name or number, else by words.
func answerTo(verb string, w io.Writer, question string, asJSON bool,
	rule func(string) (verify.RuleID, verify.Record, error), routine func(string) []ddiRow) error {
	id, rec, err := rule(question)
	var ambiguous *exit
	if err == nil {
		page := pageOf(id)
		if asJSON {
			return printJSON(w, newExplained(id, rec, page))
		}
		explain(w, id, rec, page)
		return nil
	}
	if errors.As(err, &ambiguous) && strings.Contains(ambiguous.text, "several packages") ||
		ruleNumber.MatchString(question) {
		return err
	}
	rows, answers := routine(question), ask(question)
	if len(rows)+len(answers) > 0 {
		return printAnswers(w, rows, answers, asJSON)
	}
	if code, sub, ok := numberOf(question); ok && sub != 0 && elsewhere(code, sub) != "" {
		return usagef("%s: there is nothing called %q%s", verb, question, elsewhere(code, sub))
	}
	if !strings.Contains(question, " ") {
		if hint := didYouMean(question, everyName()); hint != "" {
			return usagef("%s: there is nothing called %q%s", verb, question, hint)
		}
	}
	hits := find(question)
	switch {
	case len(hits) == 0:
		return usagef("%s: there is nothing called %q, and no text has the words", verb, question)
	case asJSON:
		return printJSON(w, hits[:min(len(hits), maxHits)])
	}
	printHits(w, question, hits)
	return nil
}

// ruleNumber matches what is a number of a rule and nothing else.
var ruleNumber = regexp.MustCompile(`^[A-Z]+-\d{3}$`)

// printAnswers prints everything that a name or number stands for.
func printAnswers(w io.Writer, rows []ddiRow, answers []answer, asJSON bool) error {
	switch {
	case asJSON && len(answers) == 0:
		return printJSON(w, rows)
	case asJSON && len(rows) == 0:
		return printJSON(w, answers)
	case asJSON:
		return printJSON(w, map[string]any{"interfaces": rows, "others": answers})
	}
	for i := range rows {
		if i > 0 {
			fmt.Fprintln(w)
		}
		rows[i].print(w)
	}
	for i := range answers {
		if i > 0 || len(rows) > 0 {
			fmt.Fprintln(w)
		}
		answers[i].print(w)
	}
	return nil
}

// explain prints the page of a rule, or what the catalogue says about one that nothing checks.
func explain(w io.Writer, id verify.RuleID, rec verify.Record, page string) {
	if page == "" {
		report.Explain(w, rec, verify.Rule(id))
		fmt.Fprintln(w, "STATUS:         this version does not check the rule")
		return
	}
	report.Plain(w, page)
	if names := breaking(id); len(names) > 0 {
		fmt.Fprintf(w, "\nSCENARIOS:      ksim run %s\n", strings.Join(names, ", ksim run "))
	}
}

// pageOf gives the page of a rule, "" when there is none.
func pageOf(id verify.RuleID) string {
	data, err := rules.Pages.ReadFile(id.String() + ".md")
	if err != nil {
		return "" // no file of that name is the only thing that can be wrong
	}
	_, page, _ := bytes.Cut(data, []byte("-->\n\n")) // who made the file
	return string(page)
}

// breaking lists the built-in scenarios that are there to break a rule.
func breaking(id verify.RuleID) []string {
	var names []string
	for _, s := range scenarios() {
		if slices.Contains(s.Expect, id.String()) {
			names = append(names, s.Name)
		}
	}
	return names
}

// explained is a rule as JSON has it.
type explained struct {
	ruleRow
	Why            string   `json:"why,omitempty"`
	Detected       string   `json:"detected,omitempty"`
	OnWindows      string   `json:"on_windows,omitempty"`
	BugChecks      []string `json:"bug_checks,omitempty"`
	StaticRules    []string `json:"static_rules,omitempty"`
	BreaksIt       string   `json:"breaks_it,omitempty"`
	Repaired       string   `json:"repaired,omitempty"`
	Alias          string   `json:"alias,omitempty"`
	ByConstruction string   `json:"by_construction,omitempty"`
	Spec           string   `json:"spec,omitempty"`
	Basis          []string `json:"basis,omitempty"`
	Pages          []string `json:"pages,omitempty"`
	Scenarios      []string `json:"scenarios,omitempty"`
	Markdown       string   `json:"markdown,omitempty"`
}

func newExplained(id verify.RuleID, rec verify.Record, page string) explained {
	row := verify.Rule(id)
	origin := row.Origin()
	return explained{newRuleRow(row, rec), rec.Why, row.Detect, row.WindowsReport, row.BugChecks,
		slices.Concat(row.SDV, row.Static), row.Bad, row.Good, rec.Alias.String(), rec.ByConstruction,
		origin.Spec(), origin.Basis, origin.Pages, breaking(id), page}
}

// findRule finds a rule by number, full name, or name alone where only one package has it.
func findRule(s string) (verify.RuleID, verify.Record, error) {
	id, ok := verify.ByNumber(s)
	var found []verify.Record
	for _, r := range subsystems.Rules() {
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
