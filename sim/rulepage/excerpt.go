package rulepage

import (
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Limits of what a page shows, in lines.
const (
	maxHelper  = 24 // a single helper
	maxHelpers = 60 // all of them
	maxMiss    = 40 // a near miss; a longer one is only named
)

// excerpt is the part of a function that is about one rule.
type excerpt struct {
	decl *decl
	cut  map[int]bool // lines of the file that are left out
	text string
}

// excerptOf gives the source of a test; where the test goes through a table that another function makes, the
// source of that function with the one case of the rule.
func (s *suite) excerptOf(d *decl, rule string) excerpt {
	if rows, _ := rowsOf(d, rule); rows == nil {
		ast.Inspect(d.fn.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && s.funcs[id.Name] != nil {
					if rows, _ := rowsOf(s.funcs[id.Name], rule); rows != nil {
						d = s.funcs[id.Name]
					}
				}
			}
			return true
		})
	}
	e := excerpt{decl: d, cut: map[int]bool{}}
	rows, others := rowsOf(d, rule)
	if rows != nil {
		for _, row := range others {
			e.leaveOut(row)
		}
		e.dropUnused()
	}
	e.text = e.source()
	return e
}

// rowsOf finds the rows of a table that are about the rule and those about other rules; nothing where rows
// share a line.
func rowsOf(d *decl, rule string) (rows, others []ast.Expr) {
	constant := strings.ReplaceAll(rule, "-", "_")
	ast.Inspect(d.fn.Body, func(n ast.Node) bool {
		list, ok := n.(*ast.CompositeLit)
		if !ok || rows != nil {
			return rows == nil
		}
		for i, row := range list.Elts {
			switch of := ruleOf(row); {
			case of == "" || i > 0 && d.line(list.Elts[i-1].End()) == d.line(row.Pos()):
				rows, others = nil, nil
				return true
			case of == constant:
				rows = append(rows, row)
			default:
				others = append(others, row)
			}
		}
		if rows == nil {
			others = nil
		}
		return true
	})
	return rows, others
}

var ruleConstant = regexp.MustCompile(`^[A-Z]+_\d{3}$`)

// ruleOf gives the rule constant that a row of a table names, "" for none.
func ruleOf(row ast.Expr) string {
	lit, ok := row.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	for _, cell := range lit.Elts {
		if kv, ok := cell.(*ast.KeyValueExpr); ok {
			cell = kv.Value
		}
		if sel, ok := cell.(*ast.SelectorExpr); ok && ruleConstant.MatchString(sel.Sel.Name) {
			return sel.Sel.Name
		}
	}
	return ""
}

func (e *excerpt) leaveOut(n ast.Node) {
	for l := e.decl.line(n.Pos()); l <= e.decl.line(n.End()); l++ {
		e.cut[l] = true
	}
}

// dropUnused leaves out the local helpers that only other rows use.
func (e *excerpt) dropUnused() {
	for again := true; again; {
		again = false
		for _, st := range e.decl.fn.Body.List {
			names := declared(st)
			if len(names) == 0 || e.cut[e.decl.line(st.Pos())] {
				continue
			}
			was := e.cut
			e.cut = maps.Clone(was)
			e.leaveOut(st)
			used := words(e.source())
			if slices.ContainsFunc(names, func(name string) bool { return used[name] }) {
				e.cut = was
				continue
			}
			again = true
		}
	}
}

// declared gives the names a statement declares, when it does nothing else.
func declared(st ast.Stmt) []string {
	var names []string
	switch st := st.(type) {
	case *ast.AssignStmt:
		for _, x := range st.Lhs {
			if id, ok := x.(*ast.Ident); ok && st.Tok.String() == ":=" {
				names = append(names, id.Name)
			}
		}
	case *ast.DeclStmt:
		for _, spec := range st.Decl.(*ast.GenDecl).Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				for _, id := range v.Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names
}

var word = regexp.MustCompile(`\w+`)

func words(text string) map[string]bool {
	all := map[string]bool{}
	for _, w := range word.FindAllString(text, -1) {
		all[w] = true
	}
	return all
}

// source is the function without the lines that are left out.
func (e *excerpt) source() string {
	d := e.decl
	file := d.file.fset.File(d.fn.Pos())
	text := string(d.file.src[file.Offset(d.fn.Pos()):file.Offset(d.fn.End())])
	var out []string
	first := d.line(d.fn.Pos())
	for i, l := range strings.Split(text, "\n") {
		if !e.cut[first+i] {
			out = append(out, strings.ReplaceAll(l, "\t", "    "))
		}
	}
	return strings.Join(out, "\n")
}

// used lists the functions of the tests that the excerpt mentions, in order.
func (s *suite) used(e *excerpt) []*decl {
	local := e.decl.locals()
	var out []*decl
	add := func(d *decl, n ast.Node) {
		if d != nil && d != e.decl && !slices.Contains(out, d) && !e.cut[e.decl.line(n.Pos())] {
			out = append(out, d)
		}
	}
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); !ok || !imported(e.decl, x.Name) {
					add(s.method[sel.Sel.Name], n)
				}
			}
		case *ast.SelectorExpr:
			ast.Inspect(n.X, visit) // and not Sel, which is no function
			return false
		case *ast.Ident:
			if !local[n.Name] {
				add(s.funcs[n.Name], n)
			}
		}
		return true
	}
	ast.Inspect(e.decl.fn.Body, visit)
	return out
}

// locals are the names a function declares itself.
func (d *decl) locals() map[string]bool {
	local := map[string]bool{}
	ast.Inspect(d.fn, func(n ast.Node) bool {
		if st, ok := n.(ast.Stmt); ok {
			for _, name := range declared(st) {
				local[name] = true
			}
		}
		if f, ok := n.(*ast.Field); ok {
			for _, id := range f.Names {
				local[id.Name] = true
			}
		}
		return true
	})
	return local
}

// imported reports whether a name is that of a package in the file.
func imported(d *decl, name string) bool {
	return slices.ContainsFunc(d.file.ast.Imports, func(i *ast.ImportSpec) bool {
		path := strings.Trim(i.Path.Value, `"`)
		return path == name || strings.HasSuffix(path, "/"+name)
	})
}

// helpers gives the source of what an excerpt uses, as far as it belongs to the scenario and is short, and a
// line for each of the others that has a comment.
func (s *suite) helpers(e excerpt) (sources []string, lines []string) {
	left := maxHelpers
	queue, seen := s.used(&e), map[*decl]bool{e.decl: true}
	for len(queue) > 0 {
		d := queue[0]
		queue = queue[1:]
		if seen[d] {
			continue
		}
		seen[d] = true
		if n := d.lines(); d.inTests() && !d.takesTest() && n <= maxHelper && n <= left {
			left -= n
			h := excerpt{decl: d}
			text := h.source()
			if r := d.remarks(); r != "" {
				text = "// " + r + "\n" + text
			}
			sources = append(sources, text)
			queue = append(queue, s.used(&h)...)
		} else if r := d.remarks(); r != "" {
			lines = append(lines, d.sentence(r))
		}
	}
	slices.Sort(lines)
	return sources, lines
}

// sentence is the first sentence of a comment, with the name first.
func (d *decl) sentence(remarks string) string {
	first, _, _ := strings.Cut(remarks, ". ")
	first = strings.TrimSuffix(first, ".")
	if rest, ok := strings.CutPrefix(first, d.name()+" "); ok {
		return fmt.Sprintf("`%s` %s", d.name(), rest)
	}
	return fmt.Sprintf("`%s`: %s", d.name(), first)
}
