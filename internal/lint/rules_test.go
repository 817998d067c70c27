package lint

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// record is what a package says about one of its rules.
type record struct {
	In                string // directory of the package whose Rules it is in
	ID, Name, Package string
	Why, Fix          string
	Alias, Impossible string // number it is reported as; signature that makes it impossible
}

// exempt reports whether the rule needs no tests of its own (rules.md 1.4).
func (r *record) exempt() bool { return r.Alias != "" || r.Impossible != "" }

// catalogue is what the registry and the packages say together.
type catalogue struct {
	Numbers  []string
	Packages []string // whose Subsystem is in the list
	Records  []record
}

// catalogueProgram prints a catalogue. It is compiled into the module by an overlay, so that this package
// compiles in any case.
const catalogueProgram = `package main

import (
	"encoding/json"
	"os"

	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
)

type record struct{ In, ID, Name, Package, Why, Fix, Alias, Impossible string }

func main() {
	var c struct {
		Numbers, Packages []string
		Records           []record
	}
	for _, id := range verify.Rules() {
		c.Numbers = append(c.Numbers, id.String())
	}
	for _, s := range subsystems.All() {
		c.Packages = append(c.Packages, s.Package)
		for _, r := range s.Rules {
			c.Records = append(c.Records, record{s.Package, r.ID.String(), r.Name, r.Package, r.Why, r.Fix,
				r.Alias.String(), r.ByConstruction})
		}
	}
	json.NewEncoder(os.Stdout).Encode(c)
}
`

// readCatalogue asks the subsystems for their rules. While one of them does not compile, all are returned as
// broken.
var readCatalogue = sync.OnceValues(func() (catalogueAnswer, error) {
	var a catalogueAnswer
	all, err := readList()
	if err != nil {
		return a, err
	}
	if p := all[module+"/internal/subsystems"]; p == nil || p.Export == "" {
		a.broken = []string{"irql", "irp", "wsk", "fwps"}
		return a, nil
	}
	out, err := runInModule(catalogueProgram)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(out, &a.catalogue)
})

type catalogueAnswer struct {
	catalogue
	broken []string
}

// runInModule runs a program as if its file lay in this directory.
func runInModule(program string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "lint")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	here, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "main.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(here, "catalogue", "main.go"): file}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return nil, err
	}
	return goTool("run", "-overlay", list, "./internal/lint/catalogue")
}

// declares reports whether a package exports a name.
func declares(tr *tree, dir, name string) bool {
	for s := range tr.golang(inPackage) {
		if s.dir() != dir {
			continue
		}
		if slices.ContainsFunc(exportedNames(s), func(e exported) bool { return e.name == name }) {
			return true
		}
	}
	return false
}

// checkRecords judges the records by themselves.
func checkRecords(c catalogue) []problem {
	var problems []problem
	add := func(r *record, format string, args ...any) {
		problems = append(problems, problem{r.In + ".Rules", r.ID + " " + fmt.Sprintf(format, args...)})
	}
	ids, names := map[string]bool{}, map[string]string{}
	for i := range c.Records {
		ids[c.Records[i].ID] = true
	}
	seen := map[string]bool{}
	for i := range c.Records {
		r := &c.Records[i]
		name := r.Package + "/" + r.Name
		switch {
		case r.ID == "" || !slices.Contains(c.Numbers, r.ID):
			add(r, "(%s) is no number of the catalogue", name)
			continue
		case seen[r.ID]:
			add(r, "has two records")
		case r.Name == "":
			add(r, "has no name")
		case names[name] != "":
			add(r, "has the name of %s, %s", names[name], name)
		}
		seen[r.ID] = true
		names[name] = r.ID
		if r.Package != r.In || r.In != ownerOf(r.ID) {
			add(r, "says package %q, stands in %s, belongs in %s (rules.md 1.3)", r.Package, r.In,
				ownerOf(r.ID))
		}
		if r.Why == "" && !r.exempt() {
			add(r, "has no Why")
		}
		if !strings.HasSuffix(r.Fix, ".") {
			add(r, "has no Fix that is a sentence: %q", r.Fix)
		}
		if r.Alias != "" && !ids[r.Alias] {
			add(r, "is an alias of %s, which has no record", r.Alias)
		}
	}
	return problems
}

// ownerOf gives the package in whose Rules a number belongs (rules.md 1.3).
func ownerOf(number string) string {
	family, _, _ := strings.Cut(number, "-")
	switch family {
	case "WSK":
		return "wsk"
	case "WFP":
		return "fwps"
	case "IRQL":
		return "irql"
	case "LOCK":
		if number != "LOCK-020" && number != "LOCK-021" {
			return "irql"
		}
	case "OBJ":
		if slices.Contains([]string{"OBJ-001", "OBJ-002", "OBJ-007", "OBJ-008", "OBJ-010"}, number) {
			return "irql"
		}
	}
	return "irp"
}

var (
	marker       = regexp.MustCompile(`^// (Rule|Near miss): ([A-Z]+-\d{3}(?:, [A-Z]+-\d{3})*)\.?$`)
	almostMarker = regexp.MustCompile(`(?i)^//\s*(rule|near[ -]?miss)\s*:`)
)

// checkMarkers compares the markers of the tests with the records. Records of broken packages are unknown, so
// markers whose number belongs there are not judged.
func checkMarkers(tr *tree, c catalogue, broken []string) []problem {
	var problems []problem
	found := map[string]bool{} // "Rule IRP-001"
	for s := range tr.golang((*source).isTest) {
		for _, group := range s.AST.Comments {
			for _, line := range group.List {
				m := marker.FindStringSubmatch(line.Text)
				switch {
				case m == nil && almostMarker.MatchString(line.Text):
					problems = append(problems, tr.at(line.Pos(),
						`reads almost like a marker; write "// Rule: IRP-001" or "// Near miss: IRP-001"`))
				case m != nil && !belongsToTest(s, line):
					problems = append(problems, tr.at(line.Pos(), "%q stands at no test", line.Text))
				case m != nil:
					for number := range strings.SplitSeq(m[2], ", ") {
						found[m[1]+" "+number] = true
						if !hasRecord(c, number) && !slices.Contains(broken, ownerOf(number)) {
							problems = append(problems, tr.at(line.Pos(), "%s has no record in %s.Rules",
								number, ownerOf(number)))
						}
					}
				}
			}
		}
	}
	for _, r := range c.Records {
		var missing []string
		for _, kind := range []string{"Rule", "Near miss"} {
			if !r.exempt() && !found[kind+" "+r.ID] {
				missing = append(missing, fmt.Sprintf("%q", "// "+kind+": "+r.ID))
			}
		}
		if len(missing) > 0 {
			problems = append(problems, problem{r.In + ".Rules", r.ID + " has no test marked " +
				strings.Join(missing, " and none marked ")})
		}
	}
	return problems
}

func hasRecord(c catalogue, number string) bool {
	return slices.ContainsFunc(c.Records, func(r record) bool { return r.ID == number })
}

// belongsToTest reports whether a comment stands above or in a test, or in a table of cases.
func belongsToTest(s *source, c *ast.Comment) bool {
	for _, decl := range s.AST.Decls {
		from := decl.Pos()
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if !strings.HasPrefix(d.Name.Name, "Test") && !strings.HasPrefix(d.Name.Name, "Example") {
				continue
			}
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
		}
		if from <= c.Pos() && c.Pos() < decl.End() {
			return true
		}
	}
	return false
}

// ruleConstant is the name of a rule's constant in package verify.
var ruleConstant = regexp.MustCompile(`^[A-Z]+_\d{3}$`)

// checkReports compares the rules the code speaks of with the records: a rule that is reported needs a
// record, and a record a place that reports it.
func checkReports(tr *tree, c catalogue, broken []string) []problem {
	var problems []problem
	used := map[string]bool{}
	for _, p := range tr.typedPackages() {
		if p.dir == "internal/verify" {
			continue
		}
		for _, s := range p.files {
			for _, decl := range s.AST.Decls {
				if listsRecords(p, decl) {
					continue
				}
				ast.Inspect(decl, func(n ast.Node) bool {
					if kv, ok := n.(*ast.KeyValueExpr); ok && isAlso(kv) {
						return false // more general rules of the same act need no record (rules.md 12)
					}
					id, ok := n.(*ast.Ident)
					if !ok || !ruleConstant.MatchString(id.Name) {
						return true
					}
					number := strings.ReplaceAll(id.Name, "_", "-")
					used[number] = true
					if !hasRecord(c, number) && !slices.Contains(broken, ownerOf(number)) {
						problems = append(problems, tr.at(id.Pos(), "%s has no record in %s.Rules", number,
							ownerOf(number)))
					}
					return true
				})
			}
		}
	}
	for _, r := range c.Records {
		if !used[r.ID] && !r.exempt() {
			problems = append(problems, problem{r.In + ".Rules", r.ID + " is reported nowhere"})
		}
	}
	return problems
}

func isAlso(kv *ast.KeyValueExpr) bool {
	key, ok := kv.Key.(*ast.Ident)
	return ok && key.Name == "Also"
}

// listsRecords reports whether a declaration is a variable holding records of rules.
func listsRecords(p *typed, decl ast.Decl) bool {
	d, ok := decl.(*ast.GenDecl)
	if !ok || d.Tok != token.VAR {
		return false
	}
	for _, spec := range d.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			v := p.info.Defs[name]
			if v == nil {
				continue
			}
			list, ok := types.Unalias(v.Type()).(*types.Slice)
			if ok && list.Elem().String() == module+"/internal/verify.Record" {
				return true
			}
		}
	}
	return false
}

// thisCatalogue gives the rules of the module.
func thisCatalogue(t *testing.T) catalogueAnswer {
	t.Helper()
	a, err := readCatalogue()
	if err != nil {
		t.Fatalf("the rules cannot be read: %v", err)
	}
	for _, dir := range a.broken {
		t.Logf("%s does not compile, its rules are not judged (TestPackagesCompile)", dir)
	}
	return a
}

func TestSubsystemsAreListed(t *testing.T) {
	a := thisCatalogue(t)
	var problems []problem
	for _, p := range thisModule(t).typedPackages() {
		if declares(thisModule(t), p.dir, "Subsystem") && belowSim(p.dir) && p.dir != "internal/ke" &&
			!slices.Contains(a.Packages, p.pkg.Name()) && len(a.broken) == 0 {
			problems = append(problems, problem{p.dir, "declares a Subsystem that is not in the list"})
		}
	}
	expectNone(t, "What a package adds to a machine is its Subsystem, and internal/subsystems lists it.",
		problems)
}

func TestRuleRecords(t *testing.T) {
	expectNone(t, "A record has a number of the catalogue, a unique package/Name, stands in the package "+
		"rules.md 1.3 names, says in Why what happens on Windows, which is what a beginner reads "+
		"first, and in Fix which call to add, move or remove: one sentence or two, ending with a full "+
		"stop (fixes.go of the package).",
		checkRecords(thisCatalogue(t).catalogue))
}

func TestRuleTests(t *testing.T) {
	a := thisCatalogue(t)
	expectNone(t, "Every rule has a smallest test that trips it, marked \"// Rule: IRP-001\", and a near "+
		"miss that must not, marked \"// Near miss: IRP-001\", on a line of their own in the test's "+
		"comment (style.md 5; rules.md 1.4).",
		checkMarkers(thisModule(t), a.catalogue, a.broken))
}

func TestRuleReports(t *testing.T) {
	a := thisCatalogue(t)
	expectNone(t, "What the code reports has a record, and what has a record is reported: the list is "+
		"what the simulator promises to detect.", checkReports(thisModule(t), a.catalogue, a.broken))
}
