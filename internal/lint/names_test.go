package lint

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// sharedNames may be exported by several DDI packages: they are ours, the same in each, and no name of the
// WDK.
var sharedNames = allowed{
	"Subsystem": "each package says there what it adds to a machine",
	"Sim":       "each package keeps there what only the simulator's own packages need",
}

// exported is one exported name of a package.
type exported struct {
	name string
	pos  token.Pos
	doc  string
	fn   *ast.FuncType // of a function or of a named function type
	str  *ast.StructType
	decl *ast.FuncDecl // nil for what is no function
}

// exportedNames gives the exported names a file declares, methods aside.
func exportedNames(s *source) []exported {
	var all []exported
	for _, decl := range s.AST.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				all = append(all, exported{name: d.Name.Name, pos: d.Pos(), doc: d.Doc.Text(), fn: d.Type,
					decl: d})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				all = append(all, exportedSpec(d, spec)...)
			}
		}
	}
	return all
}

func exportedSpec(d *ast.GenDecl, spec ast.Spec) []exported {
	var all []exported
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			e := exported{name: s.Name.Name, pos: s.Pos(), doc: s.Doc.Text()}
			if e.doc == "" && len(d.Specs) == 1 {
				e.doc = d.Doc.Text()
			}
			e.fn, _ = s.Type.(*ast.FuncType)
			e.str, _ = s.Type.(*ast.StructType)
			all = append(all, e)
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() {
				all = append(all, exported{name: name.Name, pos: name.Pos()})
			}
		}
	}
	return all
}

// ddiFiles keeps the files of the DDI packages.
func ddiFiles(s *source) bool { return inPackage(s) && isDDIPackage(s.dir()) }

// checkDisjoint finds names that two DDI packages export.
func checkDisjoint(tr *tree) []problem {
	first := map[string]string{}
	var problems []problem
	for s := range tr.golang(ddiFiles) {
		for _, e := range exportedNames(s) {
			owner, taken := first[e.name]
			switch {
			case !taken:
				first[e.name] = s.dir()
			case owner != s.dir():
				problems = append(problems, tr.at(e.pos, "%s is also a name of %s", e.name, owner))
			}
		}
	}
	return problems
}

func TestDDINamesAreDisjoint(t *testing.T) {
	problems := sharedNames.excuse(checkDisjoint(thisModule(t)), nameOf)
	expectNone(t, "No two DDI packages export the same name (style.md 3), so that a C name leads to one "+
		"place. Rename ours, or keep the WDK name in the package of its header and use it from there.",
		problems)
}

func TestDDINames_BadExample(t *testing.T) {
	tr := newTree(map[string]string{
		"irql/a.go":      `package irql; type KIRQL uint8; func f() {}; type T struct{}; func (T) Dump() {}`,
		"irp/a.go":       `package irp; const KIRQL = 1; func f() {}; func Dump() {}`,
		"fwps/a.go":      `package fwps; var Dump int`,
		"fwps/a_test.go": `package fwps; var KIRQL int`,
		"sim/a.go":       `package sim; type KIRQL int`,
	})
	expectSome(t, checkDisjoint(tr), "irql/a.go:1: KIRQL", "irp/a.go:1: Dump")
}

// checkUnderscores finds names in WDK spelling outside the packages that may have them: the spelling alone
// tells a reader whether to look in the WDK documentation (style.md 1).
func checkUnderscores(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(inPackage) {
		if isDDIPackage(s.dir()) || s.generated() || !belowSim(s.dir()) &&
			!strings.HasPrefix(s.dir(), "sim") {
			continue
		}
		for _, e := range exportedNames(s) {
			if strings.Contains(e.name, "_") {
				problems = append(problems, tr.at(e.pos, "%s", e.name))
			}
		}
	}
	return problems
}

func TestOrdinaryNamesHaveNoUnderscore(t *testing.T) {
	expectNone(t, "A name with an underscore is a name of the WDK and belongs to a DDI package; ours are "+
		"ordinary Go names (style.md 1, rule 1).", checkUnderscores(thisModule(t)))
}

func TestUnderscores_BadExample(t *testing.T) {
	tr := newTree(map[string]string{
		"internal/ke/a.go": `package ke; const MAX_LEVEL = 1; type state_t int`,
		"irp/a.go":         `package irp; type DEVICE_OBJECT struct{}`,
	})
	expectSome(t, checkUnderscores(tr), "internal/ke/a.go:1: MAX_LEVEL")
}
