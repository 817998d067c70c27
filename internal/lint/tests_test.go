package lint

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// checkExamples finds examples that show no result: without an output comment go test does not even run them.
func checkExamples(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang((*source).isTest) {
		for _, decl := range s.AST.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example") && !hasOutput(s, f) {
				problems = append(problems, tr.at(f.Pos(), "%s has no \"// Output:\"", f.Name.Name))
			}
		}
	}
	return problems
}

// hasOutput reports whether a function holds an output comment.
func hasOutput(s *source, f *ast.FuncDecl) bool {
	for _, group := range s.AST.Comments {
		if f.Pos() < group.Pos() && group.End() <= f.End() &&
			(strings.HasPrefix(group.Text(), "Output:") ||
				strings.HasPrefix(group.Text(), "Unordered output:")) {
			return true
		}
	}
	return false
}

// skipped matches calls by which a test leaves itself out for good.
var skipped = regexp.MustCompile(`\bt\.(Skip|SkipNow|Skipf)\(`)

// checkSkips finds tests that skip themselves outside an if.
func checkSkips(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang((*source).isTest) {
		for _, decl := range s.AST.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			for _, statement := range f.Body.List {
				if _, isCall := statement.(*ast.ExprStmt); !isCall {
					continue
				}
				from, to := tr.fset.Position(statement.Pos()).Offset, tr.fset.Position(statement.End()).Offset
				if skipped.MatchString(s.Text[from:to]) && !strings.Contains(s.Text[from:to], "func(") {
					problems = append(problems, tr.at(statement.Pos(), "%s always skips itself", f.Name.Name))
				}
			}
		}
	}
	return problems
}

func TestExamplesHaveOutput(t *testing.T) {
	expectNone(t, "Examples are the documentation and end with \"// Output:\" (style.md 4, habit 20).",
		checkExamples(thisModule(t)))
}

func TestNoTestSkipsItself(t *testing.T) {
	expectNone(t, "A test that always skips itself checks nothing; delete it or make it run.",
		checkSkips(thisModule(t)))
}

func TestTests_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{"irp/a_test.go": `package irp
		func Example() {
			// Output: 1
		}
		func ExampleIRP() {}
		func TestA(t *testing.T) { t.Skip("why") }
		func TestB(t *testing.T) { if short { t.Skip("why") } }`})
	expectSome(t, checkExamples(tr), "irp/a_test.go:5: ExampleIRP")
	expectSome(t, checkSkips(tr), "irp/a_test.go:6: TestA")
}
