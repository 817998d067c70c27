package lint

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// specDir has the texts that comments, sites and rules cite.
const specDir = "docs/spec/"

// spec is what can be cited of one text: chapters and numbered items ("9.4", "24.G"), rows of tables and
// lists by the chapter they stand in ("21 #25"), requirements ("R3") and rules ("IRP-019").
type spec map[string]bool

var (
	specHeading = regexp.MustCompile(`^##+ (?:(\d+(?:\.(?:\d+|[A-Z]))?)\.? |([A-Z]+-\d+) |Annex ([A-Z])\b)`)
	headings    = regexp.MustCompile(`### (\d+\.\d+) `) // two in a line
	specItem    = regexp.MustCompile(`^(?:- \*\*)?(\d+\.\d+|[A-Z]+-\d+)(?:\*\*| )`)
	specRow     = regexp.MustCompile(`^(?:(\d+)\.|\| (?:(\d+)|([A-Z]+-\d+)) \|)`)
	requirement = regexp.MustCompile(`^(R\d+) \*\*`)
)

// readSpec finds what can be cited.
func readSpec(text string) spec {
	s, chapter := spec{}, ""
	for line := range strings.Lines(text) {
		if m := specHeading.FindStringSubmatch(line); m != nil {
			chapter = m[1]
			s[m[1]], s[m[2]], s[m[3]] = true, true, true
		}
		for _, m := range headings.FindAllStringSubmatch(line, -1) {
			s[m[1]] = true
		}
		if m := specItem.FindStringSubmatch(line); m != nil && isIn(m[1], chapter) {
			s[m[1]] = true
		}
		if m := specRow.FindStringSubmatch(line); m != nil {
			s[m[3]], s[chapter+" #"+m[1]+m[2]] = true, true
		}
		if m := requirement.FindStringSubmatch(line); m != nil {
			s[m[1]] = true
		}
	}
	delete(s, "")
	return s
}

// isIn keeps a line that begins with a measured number from being an item: items begin with their chapter's.
func isIn(item, chapter string) bool {
	top, _, isNumber := strings.Cut(item, ".")
	whole, _, _ := strings.Cut(chapter, ".")
	return !isNumber || top == whole
}

// A citation is a text and what of it: "irp.md 8.2", "irp.md 2 to 5 and 10.1", "wfp.md 21 #25",
// "rules.md, IRP-019", `ux.md "Formats"`. A comment may break the line in between.
var (
	gap      = `(?:[ \t]*\n?[ \t]*(?://)?[ \t]*)`
	place    = `(?:\d+(?:\.(?:\d+|[A-Z]\b))?(?: #\d+)?|#\d+|[A-Z]+-\d\d\d|R\d+\b)`
	citation = regexp.MustCompile("(^|[^\\w/.*-])((?:docs/spec/)?[a-z]+)\\.md`?,?" + gap +
		`(?:(?:sections?|chapters?)` + gap + `)?((?:` + place + `(?:(?:,|,? and| to|;)` + gap + `)?)+|` +
		`"[A-Z][^"\n]+")`)
	places  = regexp.MustCompile(place)
	inTable = regexp.MustCompile(`section (\d+(?:\.\d+)?)|\b(\d+(?:\.\d+)? #\d+)`)
)

// checkCitations finds citations of what no text has. A name that is no text of ours, with a number behind
// it, is one, too.
func checkCitations(tr *tree, specs map[string]string) []problem {
	known := map[string]spec{}
	for name, text := range specs {
		known[name] = readSpec(text)
	}
	var problems []problem
	for _, s := range tr.files {
		if strings.HasPrefix(s.Path, "docs/rules/") || s.Path == "internal/lint/citations_test.go" {
			continue // made from what is checked here; examples of bad ones
		}
		for _, m := range citation.FindAllStringSubmatchIndex(s.Text, -1) {
			name := strings.TrimPrefix(s.Text[m[4]:m[5]], specDir)
			where := fmt.Sprintf("%s:%d", s.Path, 1+strings.Count(s.Text[:m[4]], "\n"))
			for _, what := range missing(known, name, s.Text[m[6]:m[7]], specs[name]) {
				problems = append(problems, problem{where, fmt.Sprintf("%s.md has no %s", name, what)})
			}
		}
	}
	return problems
}

// missing lists what of a citation is not there.
func missing(known map[string]spec, name, what, text string) []string {
	if known[name] == nil {
		return []string{what + ", and there is no such text in " + specDir}
	}
	if strings.HasPrefix(what, `"`) {
		heading := regexp.QuoteMeta(strings.Trim(what, `"`))
		if !regexp.MustCompile(`(?m)^#+ .*` + heading).MatchString(text) {
			return []string{"heading " + what}
		}
		return nil
	}
	var none []string
	chapter := ""
	for _, p := range places.FindAllString(what, -1) {
		if strings.HasPrefix(p, "#") {
			p = chapter + " " + p
		}
		chapter, _, _ = strings.Cut(p, " ")
		if !known[name][p] {
			none = append(none, p)
		}
	}
	return none
}

// readSpecs reads the texts.
func readSpecs(t *testing.T) map[string]string {
	t.Helper()
	specs := map[string]string{}
	for _, s := range thisModule(t).files {
		if dir, name := path.Split(s.Path); dir == specDir {
			specs[strings.TrimSuffix(name, ".md")] = s.Text
		}
	}
	return specs
}

func TestCitations(t *testing.T) {
	expectNone(t, "What a comment, a site or a text cites as NAME.md N.M, NAME.md N #M, NAME.md RULE or "+
		"NAME.md \"heading\" is in "+specDir+".", checkCitations(thisModule(t), readSpecs(t)))
}

// TestCitations_OfRuleTables: the tables of rules are no files that the other checks read.
func TestCitations_OfRuleTables(t *testing.T) {
	specs := readSpecs(t)
	var problems []problem
	for _, name := range []string{"rules.tsv", "rules_wsk_wfp_full.tsv"} {
		text, err := os.ReadFile("../verify/" + name)
		if err != nil {
			t.Fatal(err)
		}
		problems = append(problems, checkRuleTable(name, string(text), specs)...)
	}
	expectNone(t, "What the tables of rules cite is in "+specDir+".", problems)
}

// checkRuleTable looks at the sources of a table, and at the chapters of the same text they go on to.
func checkRuleTable(file, table string, specs map[string]string) []problem {
	tr := newTree(map[string]string{"internal/verify/" + file: table})
	problems := checkCitations(tr, specs)
	for i, line := range strings.Split(table, "\n") {
		first := citation.FindStringSubmatch(line)
		if first == nil {
			continue
		}
		s := readSpec(specs[first[2]])
		_, source, _ := strings.Cut(line, first[0])
		for _, m := range inTable.FindAllStringSubmatch(source, -1) {
			if p := m[1] + m[2]; !s[p] {
				problems = append(problems, problem{fmt.Sprintf("%s:%d", file, i+1),
					fmt.Sprintf("%s.md has no %s", first[2], p)})
			}
		}
	}
	return problems
}

func TestCitations_BadExamples(t *testing.T) {
	specs := map[string]string{"irp": "# IRPs\n## 1. Data\n1.8 bytes\n2. two\n### 1.2 More\n- **1.3 x**\n" +
		"1.4 **y**\n4.3 GB\n| 4 | x |\nR3 **all**\n" +
		"### IRP-001 x\n| IRP-002 | y |\n### 7.1 a ### 7.2 b\n"}
	tr := newTree(map[string]string{"irp/a.go": "package irp\n" +
		"// good: irp.md 1, 1.2, 1.3 and 1.4; irp.md 1 #2; irp.md 1.2 #4, irp.md R3; irp.md, IRP-001;\n" +
		"// irp.md IRP-002; wdm/nf-wdm-x.md 9, see irp.md, 7.2, irp.md \"Data\", (irp.md\n// 1.2)\n" +
		"// irp.md 2\n// (irp.md\n// 1.9)\n// irp.md 1 to 3\n// irp.md 1.2 #5\n" +
		"// irp.md \"Dat\" and irp.md \"No\"\n" +
		"// irq.md 4\nvar s = \"irp.md IRP-009\"\n"})
	expectSome(t, checkCitations(tr, specs), "irp/a.go:5: irp.md has no 2", "irp/a.go:6: irp.md has no 1.9",
		"irp/a.go:8: irp.md has no 3", "irp/a.go:9: irp.md has no 1.2 #5",
		"irp/a.go:10: irp.md has no heading \"No\"",
		"irp/a.go:11: irq.md has no 4", "irp/a.go:12: irp.md has no IRP-009")
	expectSome(t, checkRuleTable("x.tsv", "A\tirp.md 1 (section 9.9, 1.2 #4, 1.2 #7)\n", specs),
		"x.tsv:1: irp.md has no 9.9", "x.tsv:1: irp.md has no 1.2 #7")
}
