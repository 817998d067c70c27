package rulepage

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Packages are the folders whose tests break the rules.
var Packages = []string{"irql", "irp", "wsk", "fwps"}

// harness are the files with what nearly every test of a package uses: pages name that, and do not show it.
var harness = []string{"harness_test.go", "env_test.go", "helper_test.go", "rules_test.go",
	"thorough_test.go"}

// marker is a line of a test's comment that says which rules the test breaks or nearly breaks.
var marker = regexp.MustCompile(`^// (Rule|Near miss): ([A-Z]+-\d{3}(?:, [A-Z]+-\d{3})*)\.?$`)

// suite is the source of the tests of one package.
type suite struct {
	dir    string
	fset   *token.FileSet
	funcs  map[string]*decl   // functions, by name
	method map[string]*decl   // methods, by name; nil where two types have one
	trips  map[string][]*decl // tests by the number of the rule they break, the shortest first
	misses map[string][]*decl // the same of near misses
}

// decl is one function or method.
type decl struct {
	fn   *ast.FuncDecl
	file *testFile
}

type testFile struct {
	name string
	src  []byte
	ast  *ast.File
	fset *token.FileSet
}

// readSuite reads the tests of a package.
func readSuite(root, dir string) (*suite, error) {
	s := &suite{dir: dir, fset: token.NewFileSet(), funcs: map[string]*decl{}, method: map[string]*decl{},
		trips: map[string][]*decl{}, misses: map[string][]*decl{}}
	names, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(s.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if err := s.add(&testFile{filepath.Base(name), src, f, s.fset}); err != nil {
			return nil, err
		}
	}
	for _, byRule := range []map[string][]*decl{s.trips, s.misses} {
		for _, tests := range byRule {
			slices.SortStableFunc(tests, func(a, b *decl) int { return cmp.Compare(a.lines(), b.lines()) })
		}
	}
	return s, nil
}

// add takes in the functions of a file and what they are marked with.
func (s *suite) add(f *testFile) error {
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		d := &decl{fn, f}
		name := fn.Name.Name
		if fn.Recv != nil {
			if _, twice := s.method[name]; twice {
				d = nil
			}
			s.method[name] = d
			continue
		}
		s.funcs[name] = d
		if fn.Doc == nil {
			continue
		}
		for _, line := range fn.Doc.List {
			m := marker.FindStringSubmatch(line.Text)
			if m == nil {
				continue
			}
			if rangesOverMap(fn) {
				return fmt.Errorf("%s/%s: %s goes through a map: its reports come in any order", s.dir,
					f.name, name)
			}
			byRule := s.trips
			if m[1] != "Rule" {
				byRule = s.misses
			}
			for rule := range strings.SplitSeq(m[2], ", ") {
				byRule[rule] = append(byRule[rule], d)
			}
		}
	}
	return nil
}

// rangesOverMap reports whether a function has a loop over a map it writes out.
func rangesOverMap(fn *ast.FuncDecl) (found bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if loop, ok := n.(*ast.RangeStmt); ok {
			if lit, ok := loop.X.(*ast.CompositeLit); ok {
				_, isMap := lit.Type.(*ast.MapType)
				found = found || isMap
			}
		}
		return !found
	})
	return found
}

// tests gives the names of all tests that break a rule, sorted.
func (s *suite) tests() []string {
	var names []string
	for _, tests := range s.trips {
		for _, d := range tests {
			names = append(names, d.name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (d *decl) name() string         { return d.fn.Name.Name }
func (d *decl) inTests() bool        { return !slices.Contains(harness, d.file.name) }
func (d *decl) line(p token.Pos) int { return d.file.fset.Position(p).Line }
func (d *decl) lines() int           { return d.line(d.fn.End()) - d.line(d.fn.Pos()) + 1 }

// title names a function as a reader finds it.
func (d *decl) title(dir string) string {
	return fmt.Sprintf("`%s` in %s/%s", d.name(), dir, d.file.name)
}

// remarks is the comment of a function without its markers.
func (d *decl) remarks() string {
	if d.fn.Doc == nil {
		return ""
	}
	var out []string
	for _, c := range d.fn.Doc.List {
		if !marker.MatchString(c.Text) {
			out = append(out, strings.TrimSpace(strings.TrimPrefix(c.Text, "//")))
		}
	}
	return strings.TrimSpace(strings.Join(out, " "))
}

// takesTest reports whether the function belongs to the test rather than to the scenario.
func (d *decl) takesTest() bool {
	for _, p := range d.fn.Type.Params.List {
		x := p.Type
		if star, ok := x.(*ast.StarExpr); ok {
			x = star.X
		}
		if sel, ok := x.(*ast.SelectorExpr); ok && (sel.Sel.Name == "T" || sel.Sel.Name == "TB") {
			return true
		}
	}
	return false
}
