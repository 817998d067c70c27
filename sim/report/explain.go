package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"calloutsim/internal/verify"
)

// explainWidth is the width of a rule page on a terminal.
const explainWidth = 100

// Explain prints the page of one rule: `ksim explain`. rec may be the zero Record while no package has
// claimed the rule.
func Explain(w io.Writer, rec verify.Record, row verify.Row) {
	var p page
	head := strings.TrimSpace(row.Number + " " + rec.FullName())
	fmt.Fprintf(&p.b, "%s, %s\n%s\n\n", head, verdict(row.ID), row.Claim)
	p.entry("WHY", rec.Why)
	p.entry("DETECTED", row.Detect)
	p.entry("ON_WINDOWS", cmp.Or(row.WindowsReport, windows(rec)))
	p.codes(row)
	p.entry("STATIC_RULES", strings.Join(append(append([]string(nil), row.SDV...), row.Static...), ", "))
	p.entry("BREAKS_IT", row.Bad)
	p.entry("REPAIRED", row.Good)
	if rec.Alias != verify.NoRule {
		p.entry("ALIAS", "reported as "+rec.Alias.String())
	}
	p.entry("BY_CONSTRUCTION", rec.ByConstruction)
	if rec.Extension {
		p.entry("EXTENSION", "a check of this simulator; no catalogue of Microsoft has it")
	}
	p.entry("SOURCE", row.Source)
	_, _ = w.Write(p.b.Bytes())
}

// page collects the page of one rule.
type page struct{ b bytes.Buffer }

// entry prints a key and a text that hangs below its own start; nothing for an empty text. An empty key
// goes on below the entry before.
func (p *page) entry(key, text string) {
	if text == "" {
		return
	}
	if key != "" {
		key += ":"
	}
	indent := max(keyWidth, len(key)+1)
	for i, l := range wrap(text, explainWidth-indent) {
		if i > 0 {
			key = ""
		}
		fmt.Fprintf(&p.b, "%-*s%s\n", indent, key, l)
	}
}

// codes prints what the debugger would show: bug checks by name, sub-codes by meaning, one below the other.
func (p *page) codes(row verify.Row) {
	var texts []string
	for _, c := range row.BugChecks {
		number, variant, _ := strings.Cut(c, "/")
		if variant != "" {
			variant = " with " + variant
		}
		texts = append(texts, number+" "+verify.BugCheckName(parseHex(number))+variant)
	}
	for _, c := range row.C4 {
		s, _ := verify.VerifierC4(c)
		texts = append(texts, fmt.Sprintf("0xC4/0x%X %s (%s)", c, s.Meaning, s.Option))
	}
	for _, c := range row.C9 {
		s, _ := verify.IoVerifierC9(c)
		texts = append(texts, fmt.Sprintf("0xC9/0x%X %s (%s, %s)", c, s.Meaning, s.Option, s.Severity))
	}
	key := "BUG_CHECKS"
	for _, t := range texts {
		p.entry(key, t)
		key = ""
	}
}

// windows words the record's bug check for rules whose catalogue has no column for it.
func windows(rec verify.Record) string {
	if rec.BugCheck == 0 {
		return ""
	}
	text := fmt.Sprintf("0x%X %s", rec.BugCheck, verify.BugCheckName(rec.BugCheck))
	if rec.SubCode != 0 {
		text += fmt.Sprintf(", first parameter 0x%X", rec.SubCode)
	}
	return text
}

// parseHex reads the number of a bug check; the tests of package verify have read them all.
func parseHex(s string) uint32 {
	var v uint32
	_, _ = fmt.Sscanf(s, "0x%x", &v)
	return v
}
