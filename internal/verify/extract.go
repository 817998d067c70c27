//go:build ignore

// Extract writes rules_wsk_wfp_full.tsv: the rules of WSK and WFP with detection, effect, violating scenario
// and source as docs/spec states them.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// full is one rule with everything the specification says.
type full struct{ id, severity, claim, detect, effect, bad, source, static string }

var (
	wskRule = regexp.MustCompile(`^- \*\*(WSK-\d{3})\*\* \[(\w+)\] (.*?) ` +
		`\*Detect\*: (.*?) \*Violate\*: (.*)$`)
	wskTail = regexp.MustCompile(`^(.*?)\.? \(((?:[^()]|\([^()]*\))*)\)\.?$`)
	heading = regexp.MustCompile(`^### (2[04]\.\w+) `)
	query   = regexp.MustCompile(`^\| (\w+) \| (WFP-[\d, WFP-]+) \|`)
)

// words spells out what wfp.md 20 abbreviates at the start of a detection.
var words = []struct{ short, long string }{
	{"entry", "at API entry"}, {"ret", "when classifyFn returns"}, {"end", "at unload or end of run"},
	{"track", "by reference and ownership tracking"}, {"lock", "by lock and IRQL tracking"},
}

func main() {
	log.SetFlags(0)
	spec := flag.String("spec", "../../docs/spec", "folder of wsk.md and wfp.md")
	out := flag.String("o", "rules_wsk_wfp_full.tsv", "the table")
	flag.Parse()
	rules := wsk(filepath.Join(*spec, "wsk.md"))
	rules = append(rules, wfp(filepath.Join(*spec, "wfp.md"))...)
	var b strings.Builder
	b.WriteString("id\tseverity\tclaim\tdetect\teffect\tbad\tsource\tstatic\n")
	for _, r := range rules {
		b.WriteString(strings.Join([]string{r.id, r.severity, r.claim, r.detect, r.effect, r.bad, r.source,
			r.static}, "\t"))
		b.WriteByte('\n')
	}
	if err := os.WriteFile(*out, []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}

func wsk(file string) (rules []full) {
	section, sections := "", []string(nil)
	for _, l := range lines(file) {
		if m := heading.FindStringSubmatch(l); m != nil {
			section = m[1]
		}
		if !strings.HasPrefix(l, "- **WSK-") {
			continue
		}
		m := wskRule.FindStringSubmatch(l)
		if m == nil {
			log.Fatalf("%s: no rule: %s", file, l)
		}
		t := wskTail.FindStringSubmatch(m[5])
		if t == nil {
			log.Fatalf("%s: no source: %s", file, l)
		}
		rules = append(rules, full{id: m[1], severity: m[2], claim: clean(m[3]), detect: clean(m[4]),
			bad: clean(t[1]), source: clean(t[2])})
		sections = append(sections, section)
	}
	dittos(rules)
	for i := range rules {
		rules[i].source = "wsk.md " + sections[i] + " (" + place(rules[i].source) + ")"
	}
	return rules
}

func wfp(file string) (rules []full) {
	section, sections := "", []string(nil)
	queries := map[string][]string{}
	for _, l := range lines(file) {
		if m := heading.FindStringSubmatch(l); m != nil {
			section = m[1]
		}
		if m := query.FindStringSubmatch(l); m != nil {
			for id := range strings.SplitSeq(m[2], ",") {
				id = strings.TrimSpace(id)
				queries[id] = append(queries[id], m[1])
			}
		}
		if !strings.HasPrefix(l, "| WFP-") {
			continue
		}
		l = strings.ReplaceAll(l, `\|`, "\x00") // a bar inside a cell
		f := strings.Split(strings.Trim(l, "|"), "|")
		if len(f) != 7 {
			log.Fatalf("%s: %d columns: %s", file, len(f), l)
		}
		for i := range f {
			f[i] = clean(f[i])
		}
		rules = append(rules, full{id: f[0], severity: severity(f[1]), claim: f[2], effect: f[3],
			detect: spell(f[4]), bad: strings.TrimPrefix(f[5], "-"), source: f[6]})
		sections = append(sections, section)
	}
	dittos(rules)
	for i := range rules {
		rules[i].source = "wfp.md " + sections[i] + " (" + place(rules[i].source) + ")"
		rules[i].static = strings.Join(queries[rules[i].id], ", ")
	}
	return rules
}

// dittos resolves the cells that refer to the one above.
func dittos(rules []full) {
	var detect, effect, source string
	for i := range rules {
		rules[i].detect = ditto(rules[i].detect, &detect)
		rules[i].effect = ditto(rules[i].effect, &effect)
		rules[i].source = ditto(rules[i].source, &source)
	}
}

// ditto replaces the word "same" at the start of a cell by the last cell that did not begin so, less the
// query name that only that one has.
func ditto(cell string, above *string) string {
	rest, ok := strings.CutPrefix(cell, "same")
	if !ok || rest != "" && rest[0] != ',' && rest[0] != ';' && !strings.HasPrefix(rest, " (") {
		*above, _, _ = strings.Cut(cell, ", CQL ")
		return cell
	}
	return *above + rest
}

// place says "section 19" where the cell has the bare number.
func place(source string) string {
	if source != "" && source[0] >= '0' && source[0] <= '9' {
		return "section " + source
	}
	return source
}

func spell(detect string) string {
	parts := strings.Split(detect, ";")
	for i, p := range parts {
		p = strings.TrimSpace(p)
		for _, w := range words {
			if rest, ok := strings.CutPrefix(p, w.short); ok && (rest == "" || !letter(rest[0])) {
				p = w.long + rest
				break
			}
		}
		parts[i] = p
	}
	return strings.Join(parts, "; ")
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func severity(s string) string {
	switch s {
	case "C":
		return "contract"
	case "A":
		return "advisory"
	case "N":
		return "note"
	}
	log.Fatalf("unknown severity %q", s)
	return ""
}

// clean drops markup that a terminal would show.
func clean(s string) string {
	s = strings.NewReplacer("`", "", "**", "", "\x00", "|").Replace(s)
	return strings.TrimRight(strings.TrimSpace(s), ".")
}

func lines(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
