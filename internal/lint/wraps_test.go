package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// Lines that somebody broke for their length and that another edit has made short again read worse than
// long ones. spare is what a string may lack of maxColumn once its pieces are put together: gofmt may move it
// to the right to align it.
const spare = 20

// checkSignatures finds results of a function that are broken over lines: a line ends before them, not in
// them.
func checkSignatures(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(written) {
		for _, decl := range s.AST.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Type.Results == nil || !f.Type.Results.Opening.IsValid() {
				continue // nothing, or one type, whose members may have lines of their own
			}
			r := f.Type.Results
			if tr.fset.Position(r.Pos()).Line != tr.fset.Position(r.End()).Line {
				problems = append(problems, tr.at(r.Pos(), "the results of %s", f.Name.Name))
			}
		}
	}
	return problems
}

// checkCutStrings finds strings put together of pieces on lines of their own that fit on one.
func checkCutStrings(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(written) {
		lines := strings.Split(s.Text, "\n")
		ast.Inspect(s.AST, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok && b.Op == token.ADD {
				if x, y := lastPiece(b.X), piece(b.Y); x != nil && y != nil && fits(tr, lines, x, y) {
					problems = append(problems, tr.at(y.Pos(), "%s fits on the line before", y.Value))
				}
			}
			return true
		})
	}
	return problems
}

// piece is the string that e is; nil for anything else, a raw string, and one that ends a line of output.
func piece(e ast.Expr) *ast.BasicLit {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING || lit.Value[0] != '"' {
		return nil
	}
	return lit
}

// lastPiece is the string that a sum ends with, unless it ends a line of output.
func lastPiece(e ast.Expr) *ast.BasicLit {
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.ADD {
		e = b.Y
	}
	if p := piece(e); p != nil && !strings.HasSuffix(p.Value, `\n"`) {
		return p
	}
	return nil
}

// fits reports whether y, which begins the line after that of x, had room behind it with all that follows.
func fits(tr *tree, lines []string, x, y *ast.BasicLit) bool {
	px, py := tr.fset.Position(x.End()), tr.fset.Position(y.Pos())
	if py.Line != px.Line+1 || strings.TrimSpace(lines[px.Line-1][px.Column-1:]) != "+" {
		return false
	}
	return columns(lines[px.Line-1][:px.Column-2]+lines[py.Line-1][py.Column:]) <= maxColumn-spare
}

func TestSignatures(t *testing.T) {
	expectNone(t, "The results of a function stand on one line: break before the last parameters.",
		checkSignatures(thisModule(t)))
}

func TestCutStrings(t *testing.T) {
	expectNone(t, fmt.Sprintf("Pieces of a string that fit on one line of %d columns are one piece.",
		maxColumn-spare), checkCutStrings(thisModule(t)))
}

func TestWraps_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go": "package irp\nfunc f() (int,\n\tstring) { return 0, \"\" }\nfunc g(a,\n\tb int) (int, int) " +
			"{ return a, b }\n",
		"irp/b.go": "package irp\nvar s = \"one \" +\n\t\"two \" +\n\t\"three\"\nvar u = \"one\\n\" +\n\t\"two\"\n",
		"irp/c.go": "package irp\nvar s = \"" + strings.Repeat("long ", 17) + "\" +\n\t\"" +
			strings.Repeat("x", 20) + "\"\n",
	})
	expectSome(t, checkSignatures(tr), "irp/a.go:2: the results of f")
	expectSome(t, checkCutStrings(tr), "irp/b.go:3: \"two \" fits on the line before",
		"irp/b.go:4: \"three\" fits on the line before")
}
