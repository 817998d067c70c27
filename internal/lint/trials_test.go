package lint

import (
	"go/ast"
	"slices"
	"testing"
)

// playing are the functions of internal/trial that play a scenario under many schedules.
var playing = []string{"Breaks", "MostlyBreaks", "Keeps"}

// checkTrials finds marked tests that never come to one of those functions, by way of the functions of the
// tests of their package: such a test knows its rule under one schedule only.
func checkTrials(tr *tree) []problem {
	var problems []problem
	helpers := map[string]map[string][]*ast.FuncDecl{} // by directory and name, methods too
	for s := range tr.golang((*source).isTest) {
		for _, decl := range s.AST.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				in := helpers[s.dir()]
				if in == nil {
					in = map[string][]*ast.FuncDecl{}
					helpers[s.dir()] = in
				}
				in[f.Name.Name] = append(in[f.Name.Name], f)
			}
		}
	}
	for s := range tr.golang((*source).isTest) {
		for _, decl := range s.AST.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && isMarked(s, f) && !plays(f, helpers[s.dir()], map[*ast.FuncDecl]bool{}) {
				problems = append(problems, tr.at(f.Pos(), "%s plays its scenario without internal/trial",
					f.Name.Name))
			}
		}
	}
	return problems
}

// isMarked reports whether a marker stands above or in a function.
func isMarked(s *source, f *ast.FuncDecl) bool {
	from := f.Pos()
	if f.Doc != nil {
		from = f.Doc.Pos()
	}
	for _, group := range s.AST.Comments {
		for _, line := range group.List {
			if from <= line.Pos() && line.Pos() < f.End() && marker.MatchString(line.Text) {
				return true
			}
		}
	}
	return false
}

// plays reports whether a function calls one of playing, itself or through helpers.
func plays(f *ast.FuncDecl, helpers map[string][]*ast.FuncDecl, seen map[*ast.FuncDecl]bool) bool {
	if f.Body == nil || seen[f] {
		return false
	}
	seen[f] = true
	found := false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.SelectorExpr:
			pkg, ok := x.X.(*ast.Ident)
			found = found || ok && pkg.Name == "trial" && slices.Contains(playing, x.Sel.Name)
		case *ast.Ident:
			for _, helper := range helpers[x.Name] {
				found = found || plays(helper, helpers, seen)
			}
		}
		return !found
	})
	return found
}

func TestRuleTestsPlayManySchedules(t *testing.T) {
	expectNone(t, "A test of a rule plays its scenario under every schedule that SIM_THOROUGH asks for: by "+
		"way of trial.Breaks, MostlyBreaks (saying why the act does not always happen) or Keeps.",
		checkTrials(thisModule(t)))
}

func TestRuleTestsPlayManySchedules_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a_test.go": `package irp
		// Rule: IRP-001
		func TestA(t *testing.T) { trips(t) }
		// Near miss: IRP-001
		func TestB(t *testing.T) { play(t) }
		func TestC(t *testing.T) {
			// Rule: IRP-002
			trial.Walks()
		}
		func TestD(t *testing.T) { play(t) }`,
		"irp/b_test.go": `package irp
		func trips(t *testing.T) { each(t) }
		func each(t *testing.T) { trips(t); trial.Breaks(t, nil) }
		func play(t *testing.T) {}`,
	})
	expectSome(t, checkTrials(tr), "irp/a_test.go:5: TestB", "irp/a_test.go:6: TestC")
}
