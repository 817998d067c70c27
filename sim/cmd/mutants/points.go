package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"golang.org/x/tools/go/packages"
)

// point is a place that can be changed, and how the text there reads with the change behind a switch.
type point struct {
	id         int
	pkg, file  string
	line       int
	start, end int // offsets in the file
	what       string
	with       func(id int) string
}

func (p *point) String() string { return fmt.Sprintf("%s:%d %s", p.file, p.line, p.what) }

// swaps says what becomes of an operator.
var swaps = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.ADD, token.QUO: token.MUL,
	token.REM: token.MUL, token.AND: token.OR, token.OR: token.AND, token.AND_NOT: token.AND,
	token.SHL: token.SHR, token.SHR: token.SHL,
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN, token.INC: token.DEC,
	token.DEC: token.INC, token.OR_ASSIGN: token.AND_ASSIGN, token.AND_NOT_ASSIGN: token.OR_ASSIGN,
}

// finder collects the points of one file.
type finder struct {
	pkg   *packages.Package
	path  string // of the file, relative to the module
	src   string
	fset  *token.FileSet
	found []*point
	plain map[ast.Stmt]bool // statements of a list, which an if may stand in place of
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// findPoints gives all points of the packages.
func findPoints(dirs []string) ([]*point, error) {
	var patterns []string
	for _, d := range dirs {
		patterns = append(patterns, "./"+d)
	}
	pkgs, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedFiles |
		packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports |
		packages.NeedDeps | packages.NeedCompiledGoFiles}, patterns...)
	if err != nil {
		return nil, err
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var all []*point
	for _, pkg := range pkgs {
		for i, f := range pkg.Syntax {
			src, err := os.ReadFile(pkg.CompiledGoFiles[i])
			if err != nil {
				return nil, err
			}
			if generated.Match(src) || strings.Contains(string(src), "//go:build ignore") {
				continue
			}
			rel, err := filepath.Rel(root, pkg.CompiledGoFiles[i])
			if err != nil {
				return nil, err
			}
			x := &finder{pkg: pkg, path: rel, src: string(src), fset: pkg.Fset, plain: map[ast.Stmt]bool{}}
			ast.Inspect(f, x.visit)
			all = append(all, x.found...)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.file != b.file {
			return a.file < b.file
		}
		return a.start < b.start || a.start == b.start && a.end > b.end
	})
	return all, nil
}

// choose takes n points that do not lie in one another.
func choose(all []*point, n int, seed uint64) []*point {
	r := rand.New(rand.NewPCG(seed, 0))
	var out []*point
	for _, i := range r.Perm(len(all)) {
		if len(out) == n {
			break
		}
		p, apart := all[i], true
		for _, q := range out {
			apart = apart && (p.file != q.file || p.end <= q.start || q.end <= p.start)
		}
		if apart {
			out = append(out, p)
		}
	}
	for i, p := range out {
		p.id = i + 1
	}
	return out
}

func (x *finder) text(n ast.Node) string { return x.src[x.at(n.Pos()):x.at(n.End())] }
func (x *finder) at(p token.Pos) int     { return x.fset.Position(p).Offset }

func (x *finder) add(n ast.Node, what string, with func(id int) string) {
	p := x.fset.Position(n.Pos())
	x.found = append(x.found, &point{pkg: x.pkg.PkgPath, file: x.path, line: p.Line, start: x.at(n.Pos()),
		end: x.at(n.End()), what: what, with: with})
}

func (x *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BlockStmt:
		x.list(n.List)
	case *ast.CaseClause:
		x.list(n.Body)
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.BinaryExpr:
		x.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT && x.pure(n.X) {
			x.add(n, "!x becomes x: "+x.text(n), func(id int) string {
				return fmt.Sprintf("((%s) != mutantswitch.On(%d))", x.text(n), id)
			})
		}
	case *ast.IfStmt:
		if t, ok := x.pkg.TypesInfo.Types[n.Cond]; ok && t.Value == nil {
			x.add(n.Cond, "if is negated: "+x.text(n.Cond), func(id int) string {
				return fmt.Sprintf("(%s) != mutantswitch.On(%d)", x.text(n.Cond), id)
			})
		}
	case *ast.IncDecStmt:
		x.statement(n, n.Tok)
	case *ast.AssignStmt:
		if t := x.pkg.TypesInfo.TypeOf(n.Lhs[0]); t != nil && integer(t) {
			x.statement(n, n.Tok)
		}
	}
	return true
}

func (x *finder) list(l []ast.Stmt) {
	for _, s := range l {
		x.plain[s] = true
	}
}

// statement changes x++ and x += y, where they stand alone.
func (x *finder) statement(n ast.Stmt, tok token.Token) {
	to, ok := swaps[tok]
	if !ok || !x.plain[n] {
		return
	}
	text := x.text(n)
	changed := strings.Replace(text, tok.String(), to.String(), 1)
	x.add(n, text+" becomes "+changed, func(id int) string {
		return fmt.Sprintf("if mutantswitch.On(%d) { %s } else { %s }", id, changed, text)
	})
}

func integer(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

func (x *finder) binary(n *ast.BinaryExpr) {
	to, ok := swaps[n.Op]
	t := x.pkg.TypesInfo.Types[n]
	if !ok || t.Value != nil || t.Type == nil || strings.Contains(x.text(n), "func(") {
		return
	}
	text, op := x.text(n), x.at(n.OpPos)-x.at(n.Pos())
	changed := text[:op] + to.String() + text[op+len(n.Op.String()):]
	what := oneLine(text) + " with " + to.String()
	switch n.Op {
	case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		x.add(n, what, func(id int) string {
			return fmt.Sprintf("(!mutantswitch.On(%d) && (%s) || mutantswitch.On(%d) && (%s))", id, text, id,
				changed)
		})
	default:
		if b, isBasic := t.Type.(*types.Basic); isBasic && b.Info()&types.IsInteger != 0 && x.pure(n) {
			x.add(n, what, func(id int) string {
				return fmt.Sprintf("mutantswitch.Sel[%s](%d, %s, %s)", b.Name(), id, text, changed)
			})
		}
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// pure says that an expression can be evaluated twice, and at any time.
func (x *finder) pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			t := x.pkg.TypesInfo.Types[n.Fun]
			ok = ok && (t.IsType() || t.IsBuiltin())
		case *ast.IndexExpr, *ast.SliceExpr, *ast.FuncLit, *ast.TypeAssertExpr:
			ok = false
		case *ast.BinaryExpr:
			if n.Op == token.QUO || n.Op == token.REM {
				v := x.pkg.TypesInfo.Types[n.Y].Value
				ok = ok && v != nil && constant.Sign(v) != 0
			}
		}
		return ok
	})
	return ok
}
