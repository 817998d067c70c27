package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"calloutsim/internal/verify"
)

// explainWidth is the width of a rule page on a terminal.
const explainWidth = 100

// Explain prints what the catalogue says about one rule. rec may be the zero Record while no package has
// claimed the rule.
func Explain(w io.Writer, rec verify.Record, row verify.Row) {
	var p page
	fmt.Fprintf(&p.b, "%s\n\n%s\n\n", heading(rec, row), row.Claim)
	for _, f := range append(facts(rec, row), fact{key: "LIKELY_FIX", texts: []string{rec.Fix}}) {
		for i, t := range f.texts {
			if i > 0 {
				f.key = ""
			}
			p.entry(f.key, t)
		}
	}
	_, _ = w.Write(p.b.Bytes())
}

// Markdown writes the same as Explain as the beginning of a page, with the likely fix that the report of a
// scenario gave, or that of the record.
func Markdown(w io.Writer, rec verify.Record, row verify.Row, fix string) {
	fmt.Fprintf(w, "# %s\n\n%s\n", heading(rec, row), Escape(row.Claim))
	list := facts(rec, row)
	if fix != "" {
		list = append(list, fact{key: "LIKELY_FIX", texts: []string{fix}})
	}
	for _, f := range list {
		for _, text := range f.paragraphs() {
			fmt.Fprintf(w, "\n**%s:** %s\n", f.key, text)
		}
	}
}

// paragraphs are the lines of a page in Markdown: one, or one for each address.
func (f fact) paragraphs() []string {
	switch {
	case f.key == "SOURCE":
		all := make([]string, len(f.texts))
		for i, text := range f.texts {
			all[i] = address.ReplaceAllString(Escape(text), "<$0>")
		}
		return all
	case f.target != "":
		return []string{fmt.Sprintf("[%s](%s)", Escape(f.texts[0]), f.target)}
	}
	if text := strings.Join(f.texts, "; "); text != "" {
		return []string{Escape(text)}
	}
	return nil
}

// Escape keeps Markdown from reading marks into a text; Plain undoes it.
func Escape(s string) string { return escaper.Replace(s) }

// Plain prints a page made of Markdown for a terminal: what it says in the same order, without marks.
func Plain(w io.Writer, markdown string) {
	var p page
	code, gap, fact := false, false, false // gap: an empty line is due, unless it is between two facts
	last := ""                             // the key above
	for l := range strings.SplitSeq(strings.TrimRight(markdown, "\n"), "\n") {
		if strings.HasPrefix(l, "```") {
			code = !code
			continue
		}
		if l == "" && !code {
			gap = true
			continue
		}
		key, text, isFact := strings.Cut(strings.TrimPrefix(l, "**"), ":** ")
		isFact = isFact && !code
		if gap && !(fact && isFact) {
			p.line("")
		}
		gap, fact = false, isFact
		switch {
		case code:
			p.line("    " + l)
		case isFact && key == last:
			p.entry("", unmark(text))
		case isFact:
			last = key
			p.entry(key, unmark(text))
		case strings.HasPrefix(l, "- "):
			p.line("- " + strings.Join(wrap(unmark(l[2:]), explainWidth-2), "\n  "))
		default:
			p.line(strings.Join(wrap(unmark(strings.TrimLeft(l, "# ")), explainWidth), "\n"))
		}
	}
	_, _ = w.Write(p.b.Bytes())
}

// unmark gives a line of Markdown without escapes, quotes and the targets of links.
func unmark(s string) string {
	return unescaper.Replace(autolink.ReplaceAllString(link.ReplaceAllString(s, "$1"), "$1"))
}

var (
	escaper   = strings.NewReplacer(`\`, `\\`, "*", `\*`, "<", `\<`, "`", "\\`", "[", `\[`)
	unescaper = strings.NewReplacer(`\\`, `\`, `\*`, "*", `\<`, "<", "\\`", "`", `\[`, "[", "`", "")
	link      = regexp.MustCompile(`\[([^\]]+)\]\(\S+\.md(?:#\S*)?\)`)
	address   = regexp.MustCompile(`https://[^\s()]+`)
	autolink  = regexp.MustCompile(`<(https://[^>]+)>`)
)

// heading is number, name and severity.
func heading(rec verify.Record, row verify.Row) string {
	return strings.TrimSpace(row.Number+" "+rec.FullName()) + ", " + verdict(row.ID)
}

// fact is one key of a page with what it says; several texts stand one below the other.
type fact struct {
	key    string
	texts  []string
	target string // of a link on a rendered page
}

// facts are what the record and the catalogue say, in the order of a page. Texts may be empty.
func facts(rec verify.Record, row verify.Row) []fact {
	one := func(key, text string) fact { return fact{key: key, texts: []string{text}} }
	list := []fact{one("WHY", rec.Why), one("DETECTED", row.Detect),
		one("ON_WINDOWS", cmp.Or(row.WindowsReport, windows(rec))), {key: "BUG_CHECKS", texts: codes(row)},
		one("STATIC_RULES", strings.Join(append(append([]string(nil), row.SDV...), row.Static...), ", ")),
		one("BREAKS_IT", row.Bad), one("REPAIRED", row.Good)}
	if rec.Alias != verify.NoRule {
		list = append(list, one("ALIAS", "reported as "+rec.Alias.String()))
	}
	list = append(list, one("BY_CONSTRUCTION", rec.ByConstruction))
	if rec.Extension {
		list = append(list, one("EXTENSION", "a check of this simulator; no catalogue of Microsoft has it"))
	}
	origin := row.Origin()
	target := "../spec/" + path.Base(origin.File) + origin.Anchor()
	return append(list, fact{"SPEC", []string{origin.Spec()}, target},
		one("BASIS", strings.Join(origin.Basis, ", ")), fact{key: "SOURCE", texts: origin.Pages})
}

// page collects the page of one rule.
type page struct{ b bytes.Buffer }

func (p *page) line(s string) { p.b.WriteString(strings.TrimRight(s, " ") + "\n") }

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

// codes lists what the debugger would show: bug checks by name, sub-codes by meaning.
func codes(row verify.Row) []string {
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
	return texts
}

// windows words the record's bug check for rules whose catalogue has no column for it.
func windows(rec verify.Record) string {
	if rec.BugCheck == 0 {
		return ""
	}
	text := fmt.Sprintf("0x%X %s", rec.BugCheck, verify.BugCheckName(rec.BugCheck))
	if sub := rec.SubCode(); sub != 0 {
		text += fmt.Sprintf(", first parameter 0x%X", sub)
	}
	return text
}

// parseHex reads the number of a bug check; the tests of package verify have read them all.
func parseHex(s string) uint32 {
	var v uint32
	_, _ = fmt.Sscanf(s, "0x%x", &v)
	return v
}
