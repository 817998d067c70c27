// Package verify is the registry of rules and of what Windows calls their violations.
//
// Modelled: the rule numbers of the three catalogues with severity and row, the bug checks, the sub-codes
// of Driver Verifier (0xC4) and of its I/O verification (0xC9), and Finding, which says that one rule was
// broken at one place of one run. Not modelled: detection, which lives beside the code each rule guards,
// and what a finding does to a run, which is the scheduler's business.
//
// Severity and fatality are arrays, because they are asked at every finding; all text is parsed from the
// embedded tables when it is asked for, so that nothing is built at start and nothing is kept.
package verify

//go:generate go run extract.go
//go:generate go run genheadings.go
//go:generate go run gen.go

import (
	_ "embed" // for the tables
	"strconv"
	"strings"
)

// RuleID is the number of a rule. The zero value is NoRule; values compare with == but are not stable between
// versions of the catalogue: files hold String's form.
type RuleID uint16

// NoRule is no rule.
const NoRule RuleID = 0

// Severity says what kind of finding a rule makes (rules.md 1.1). It orders from harmless to serious.
type Severity uint8

// The severities. Note and Warning are hazards, Error is a violation.
const (
	Note Severity = iota
	Warning
	Error
)

// String gives the word that commands and machine formats use.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	}
	return "error"
}

// String gives the catalogue number, "IRP-001"; "" for NoRule.
func (id RuleID) String() string { return ruleNumbers[id] }

// Family gives the letters before the dash, "IRP".
func (id RuleID) Family() string {
	family, _, _ := strings.Cut(id.String(), "-")
	return family
}

// Severity gives the rule's own severity; a rule with two reports the milder case under the same number.
func (id RuleID) Severity() Severity { return ruleSeverity[id] }

// Fatal reports whether breaking the rule leaves no state to go on from, so that even a run that is to
// continue after violations ends there.
func (id RuleID) Fatal() bool { return ruleFatal[id] || fatalHere(id) }

// Rules gives all rules in catalogue order.
func Rules() []RuleID {
	ids := make([]RuleID, 0, ruleCount-1)
	for id := RuleID(1); id < ruleCount; id++ {
		ids = append(ids, id)
	}
	return ids
}

// ByNumber finds a rule by its number; case does not matter. Names (package/Name) are in the records of the
// packages.
func ByNumber(s string) (RuleID, bool) {
	for i := 1; i < ruleCount; i++ {
		if strings.EqualFold(ruleNumbers[i], s) {
			return RuleID(i), true
		}
	}
	return NoRule, false
}

// Row is what the catalogue says about a rule. WSK and WFP rules have no bug checks, sub-codes or repaired
// form.
type Row struct {
	ID            RuleID
	Number        string
	Severity      Severity
	Fatal         bool
	Claim         string // one line
	Detect        string // the exact condition
	WindowsReport string // what Windows does about the same act
	BugChecks     []string
	C4, C9        []uint32
	SDV           []string // Static Driver Verifier and DDI compliance rules
	Static        []string // CodeQL queries and Code Analysis warnings
	Bad, Good     string
	Source        string
}

var (
	//go:embed rules.tsv
	rulesTSV string
	//go:embed rules_wsk_wfp_full.tsv
	rulesFullTSV string
)

// Rule gives the row of id by scanning the table; the zero Row for NoRule.
func Rule(id RuleID) Row {
	number := id.String()
	if number == "" {
		return Row{}
	}
	r := Row{ID: id, Number: number, Severity: id.Severity(), Fatal: id.Fatal()}
	if f, ok := find(rulesTSV, number); ok {
		r.Claim, r.Detect, r.WindowsReport = f[2], f[3], f[4]
		r.BugChecks, r.C4, r.C9 = list(f[5]), codes(f[6]), codes(f[7])
		r.SDV, r.Static = list(f[8]), list(f[9])
		r.Bad, r.Good, r.Source = f[10], f[11], f[12]
		return r
	}
	f, _ := find(rulesFullTSV, number)
	r.Claim, r.Detect, r.WindowsReport = f[2], f[3], f[4]
	r.Bad, r.Source, r.Static = f[5], f[6], list(f[7])
	return r
}

// find gives the fields of the first line whose first field is key.
func find(table, key string) ([]string, bool) {
	for line := range strings.Lines(table) {
		if k, _, _ := strings.Cut(line, "\t"); k == key {
			return strings.Split(strings.TrimSuffix(line, "\n"), "\t"), true
		}
	}
	return nil, false
}

// list splits a cell of names.
func list(cell string) []string {
	if cell == "" {
		return nil
	}
	return strings.Split(cell, ", ")
}

// codes splits a cell of hexadecimal numbers.
func codes(cell string) []uint32 {
	var cs []uint32
	for _, s := range list(cell) {
		cs = append(cs, code(s))
	}
	return cs
}

// code reads one number of a table. The tests read every cell, so a bad one cannot get here.
func code(s string) uint32 {
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		panic("internal error: bad number in an embedded table: " + s)
	}
	return uint32(v)
}
