package lint

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// The rules of code that Go's race detector must not see under ksim race: internal/ke/gorace_on.go. What lies
// below sim is compiled without the detector then. Two things escape that: generic code, which is compiled as
// part of the package that uses it, and routines of the run-time library that report accesses by themselves.

// localMaps are files whose maps never leave the function that makes them, and those that have no part in
// such runs.
var localMaps = allowed{"irp/dump_list.go": "counts within one function",
	"internal/ke/trail.go": "sim.Explore makes no run with a Trail where ke.GoRaces"}

// checkGenericCode finds generic functions that would be watched as part of a driver. The wrappers named
// Interlocked* touch no memory and are seen, so that reports name the line that calls them.
func checkGenericCode(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(inPackage) {
		if !belowSim(s.dir()) {
			continue
		}
		for _, d := range s.AST.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !generic(f) || strings.HasPrefix(f.Name.Name, "Interlocked") {
				continue
			}
			directive := func(c *ast.Comment) bool { return c.Text == "//go:norace" }
			if f.Doc == nil || !slices.ContainsFunc(f.Doc.List, directive) {
				problems = append(problems, tr.at(f.Pos(), "%s is generic", f.Name.Name))
			}
		}
	}
	return problems
}

// generic reports whether f or the type it is a method of has type parameters.
func generic(f *ast.FuncDecl) bool {
	if f.Type.TypeParams != nil {
		return true
	}
	if f.Recv == nil {
		return false
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	switch t.(type) {
	case *ast.IndexExpr, *ast.IndexListExpr:
		return true
	}
	return false
}

// checkWatchedRoutines finds maps, and calls of copy and append whose elements hold pointers.
func checkWatchedRoutines(tr *tree) []problem {
	var problems []problem
	for _, p := range tr.typedPackages() {
		if !belowSim(p.dir) {
			continue
		}
		for _, s := range p.files {
			ast.Inspect(s.AST, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					return !packageLevel(p, n) // initialised before anything runs
				case *ast.MapType:
					problems = append(problems, tr.at(n.Pos(), "map"))
				case *ast.CallExpr:
					if name := moves(p.info, n); name != "" {
						problems = append(problems, tr.at(n.Pos(), "%s of elements that hold pointers", name))
					}
				}
				return true
			})
		}
	}
	return problems
}

// packageLevel reports whether v declares package variables.
func packageLevel(p *typed, v *ast.ValueSpec) bool {
	o := p.info.Defs[v.Names[0]]
	return o != nil && o.Parent() == p.pkg.Scope()
}

// moves names the call if it moves elements with pointers by a routine of the run-time library.
func moves(info *types.Info, call *ast.CallExpr) string {
	name := ""
	if id, ok := ast.Unparen(call.Fun).(*ast.Ident); ok {
		if _, ok := info.Uses[id].(*types.Builtin); ok {
			name = id.Name
		}
	} else if pkg, f := callee(info, call); pkg == "slices" {
		name = "slices." + f
	}
	switch name {
	case "copy", "slices.Clone", "slices.Delete", "slices.Insert", "slices.Replace", "slices.Compact":
	case "append":
		if !call.Ellipsis.IsValid() {
			return ""
		}
	default:
		return ""
	}
	if t := info.TypeOf(call.Args[0]); t != nil {
		if s, ok := t.Underlying().(*types.Slice); ok && holdsPointers(s.Elem()) {
			return name
		}
	}
	return ""
}

// holdsPointers reports whether values of the type hold pointers.
func holdsPointers(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Info()&types.IsString != 0 || t.Kind() == types.UnsafePointer
	case *types.Array:
		return holdsPointers(t.Elem())
	case *types.Struct:
		for f := range t.Fields() {
			if holdsPointers(f.Type()) {
				return true
			}
		}
		return false
	}
	return true
}

const watchedRule = "Under ksim race the simulator's own data must stay unseen by Go's race detector " +
	"(internal/ke/gorace_on.go): "

func TestRaces_GenericCodeIsNotWatched(t *testing.T) {
	expectNone(t, watchedRule+"generic code is compiled with the package that uses it; write "+
		"//go:norace above it.", checkGenericCode(thisModule(t)))
}

func TestRaces_NoWatchedRoutines(t *testing.T) {
	expectNone(t, watchedRule+"maps, and copying elements with pointers, are reported by the run-time "+
		"library; use package list, or ke's table.",
		slices.DeleteFunc(localMaps.excuse(checkWatchedRoutines(thisModule(t)), fileOf), explores))
}

// explores excuses what makes choices: sim.Explore takes the random walk where ke.GoRaces.
func explores(p problem) bool { return strings.HasPrefix(fileOf(p), "internal/explore/") }

func TestRaces_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go": `package irp
			func f[T any](x T) {}
			type g[T any] struct{}
			func (*g[T]) m() {}
			//go:norace
			func h[T any](x T) {}
			func plain() {}
			func InterlockedOr[T any](x T) {}`,
		"irp/b.go": `package irp
			import "slices"
			type s struct { n int; t string }
			func f(a, b []s, c, d []byte) {
				copy(a, b)
				a = append(a, b...)
				a = append(a, b[0])
				a = slices.Clone(b)
				copy(c, d)
				_ = map[int]int{}
			}`,
	})
	expectSome(t, checkGenericCode(tr), "irp/a.go:2: f is generic", "irp/a.go:4: m is generic")
	expectSome(t, checkWatchedRoutines(tr), "irp/b.go:5: copy", "irp/b.go:6: append",
		"irp/b.go:8: slices.Clone", "irp/b.go:10: map")
}
