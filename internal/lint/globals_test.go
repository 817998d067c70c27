package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// mutableGlobals may change, by package and name.
var mutableGlobals = allowed{
	"internal/ke.slotCount": "numbers the slots while package variables are initialised, in the order the " +
		"language fixes; never touched later",
}

// readOnly are tables that nobody changes. A pointer into one saves a copy; it must only be read through.
var readOnly = allowed{
	"fwps.layerTable": "rows are read through a pointer",
	"wsk.options":     "rows are read through a pointer",
	"wsk.irpRules":    "irp.Sim.SystemDriver keeps the pointer and reads",
	"docs/examples/connect-redirect.clientDispatch": "a dispatch table, which " +
		"WSK reads and which must stay where it is until WskDeregister",
}

// fixedTypes are types of package variables that are used through their address and that nobody changes: a
// slot is an index into every machine, a site a question with its answers, a GUID a key.
var fixedTypes = []string{"calloutsim/internal/ke.Slot", "calloutsim/internal/ke.Site",
	"calloutsim/internal/ke.Subsystem", "calloutsim/internal/wfp.GUID"}

// checkGlobals finds package variables that something changes, or could change through an address, after they
// were initialised. What is reached through a copy of a slice, map or pointer is not followed.
func checkGlobals(tr *tree) []problem {
	var problems []problem
	for _, p := range tr.typedPackages() {
		if !belowSim(p.dir) && !driver(p.dir) {
			continue
		}
		for _, s := range p.files {
			for _, decl := range s.AST.Decls {
				f, isFunc := decl.(*ast.FuncDecl)
				if isFunc && f.Recv == nil && f.Name.Name == "init" {
					continue
				}
				g := globals{tr, p, nil}
				ast.Inspect(decl, g.visit)
				problems = append(problems, g.problems...)
			}
		}
	}
	return problems
}

// globals collects the changes in one declaration.
type globals struct {
	tr       *tree
	p        *typed
	problems []problem
}

// addressTaken begins the problems where nothing is changed yet but could be.
const addressTaken = "its address is taken"

func (g *globals) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, left := range n.Lhs {
				g.changed(left, "assigned")
			}
		}
	case *ast.IncDecStmt:
		g.changed(n.X, "assigned")
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			g.changed(n.Key, "assigned")
			g.changed(n.Value, "assigned")
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			g.changed(n.X, addressTaken)
		}
	case *ast.SliceExpr:
		if _, isArray := underlying(g.p.info.TypeOf(n.X)).(*types.Array); isArray {
			g.changed(n.X, addressTaken+" (an array is sliced)")
		}
	case *ast.CallExpr:
		g.call(n)
	case *ast.SelectorExpr:
		g.method(n)
	}
	return true
}

// call looks for the built-in functions that change their argument.
func (g *globals) call(n *ast.CallExpr) {
	f, ok := ast.Unparen(n.Fun).(*ast.Ident)
	if !ok || len(n.Args) == 0 {
		return
	}
	if _, builtin := g.p.info.Uses[f].(*types.Builtin); builtin {
		switch f.Name {
		case "delete", "clear", "copy":
			g.changed(n.Args[0], f.Name+" changes it")
		}
	}
}

// method looks for a method with a pointer receiver on a variable that is no pointer: Go takes the address.
func (g *globals) method(n *ast.SelectorExpr) {
	selection := g.p.info.Selections[n]
	if selection == nil || selection.Kind() != types.MethodVal {
		return
	}
	receiver := selection.Obj().(*types.Func).Signature().Recv()
	_, wantsPointer := types.Unalias(receiver.Type()).(*types.Pointer)
	_, isPointer := underlying(selection.Recv()).(*types.Pointer)
	if wantsPointer && !isPointer && !selection.Indirect() {
		g.changed(n.X, addressTaken+" (pointer method "+n.Sel.Name+")")
	}
}

// changed notes a change when the expression is, or is part of, a package variable that has no excuse.
func (g *globals) changed(e ast.Expr, how string) {
	v := g.root(e)
	if v == nil || isFixed(v.Type()) && strings.HasPrefix(how, addressTaken) {
		return
	}
	dir, _ := ours(v.Pkg().Path())
	p := g.tr.at(e.Pos(), "%s: %s", dir+"."+v.Name(), how)
	g.problems = append(g.problems, p)
}

// root gives the package variable of this module that an expression is part of or reaches through.
func (g *globals) root(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v := g.global(x.Sel); v != nil {
				return v
			}
			e = x.X
		case *ast.Ident:
			return g.global(x)
		default:
			return nil
		}
	}
}

// global gives the package variable an identifier names.
func (g *globals) global(id *ast.Ident) *types.Var {
	v, ok := g.p.info.Uses[id].(*types.Var)
	if !ok || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	if _, is := ours(v.Pkg().Path()); !is {
		return nil
	}
	return v
}

// isFixed reports whether a type is one of fixedTypes.
func isFixed(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	name := named.Obj().Pkg().Path() + "." + named.Obj().Name()
	for _, fixed := range fixedTypes {
		if name == fixed {
			return true
		}
	}
	return false
}

// underlying is Underlying for types that may be missing.
func underlying(t types.Type) types.Type {
	if t == nil {
		return nil
	}
	return t.Underlying()
}

func TestNoMutableGlobals(t *testing.T) {
	problems := mutableGlobals.excuse(checkGlobals(thisModule(t)), nameOf)
	problems = readOnly.excuse(problems, func(p problem) string {
		if strings.Contains(p.what, addressTaken) {
			return nameOf(p)
		}
		return "" // a change is never excused as reading
	})
	expectNone(t, "Below sim no package variable changes after initialisation (style.md 2): two machines "+
		"run side by side, and every run starts from nothing. State of a run hangs on the machine: var "+
		"state = ke.NewSlot(newX).",
		problems)
}

// nameOf is the key of lists that excuse variables and functions: package and name at the start of the text.
func nameOf(p problem) string {
	if i := strings.IndexAny(p.what, ": "); i >= 0 {
		return p.what[:i]
	}
	return p.what
}

func TestGlobals_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"internal/ke/a.go": `package ke
			type Slot[T any] struct{ n int }
			func (s *Slot[T]) Of() *T { return nil }
			var Shared [4]int`,
		"irp/a.go": `package irp
			import "calloutsim/internal/ke"
			type counter struct{ n int }
			func (c *counter) add() {}
			func (c counter) get() int { return c.n }
			var (
				state ke.Slot[counter]
				count counter
				ids map[string]int
				list []int
				table = [2]int{1, 2}
				once bool
			)
			func init() { once = true }
			func f(local counter) []int {
				local.n = 1; local.add()
				_ = state.Of()
				_ = count.get() + table[0] + len(list)
				count.n++
				count.add()
				ids["a"] = 1
				delete(ids, "a")
				list = append(list, 1)
				ke.Shared[0] = 1
				state = ke.Slot[counter]{}
				p := &count
				_ = p
				return table[:]
			}`,
		"sim/a.go": `package sim; var n int; func f() { n++ }`,
	})
	expectSome(t, checkGlobals(tr), "irp/a.go:19: irp.count: assigned", "irp/a.go:20: irp.count: its address",
		"irp/a.go:21: irp.ids", "irp/a.go:22: irp.ids: delete", "irp/a.go:23: irp.list",
		"irp/a.go:24: internal/ke.Shared", "irp/a.go:25: irp.state: assigned",
		"irp/a.go:26: irp.count: its address", "irp/a.go:28: irp.table")
}
