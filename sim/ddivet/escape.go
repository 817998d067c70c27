package ddivet

import (
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

var kEscape = &analysis.Analyzer{
	Name: "kescape",
	Doc: "a K that is kept, or used in another callback than the one it was given to\n\n" +
		"A K says where the caller is in the kernel, and is valid only inside its callback " +
		"(docs/spec/style.md 1). Each callback uses the k it received.",
	Run: runKEscape,
}

var lentEscape = &analysis.Analyzer{
	Name: "lentescape",
	Doc: "a pointer or slice that was handed out for use at once, and is kept\n\n" +
		"Get of a typed block, Bytes of a buffer and the methods that stand for the fields of an IRP check " +
		"at the call that the memory may be touched. What is kept in a field or a package variable is used " +
		"without that check: keep the block, the buffer or the IRP instead. Rules of the simulator that a " +
		"use would break: POOL-013, IRP-005.",
	Run: runLentEscape,
}

func runKEscape(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, f := range u.drivers {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					if isK(u.TypesInfo.TypeOf(field.Type)) {
						u.Reportf(field.Pos(), "a field that keeps a K: it is valid only inside its "+
							"callback; each callback uses its own")
					}
				}
			}
			return true
		})
	}
	u.kept(func(e ast.Expr) string {
		if isK(u.TypesInfo.TypeOf(e)) {
			return "a K is kept: it is valid only inside its callback; each callback uses its own"
		}
		return ""
	})
	for _, fn := range u.funcs {
		u.contextK(fn)
		u.outerK(fn)
	}
	return nil, nil
}

// contextK finds a K among the contexts that a routine hands to a callback later.
func (u *unit) contextK(fn *function) {
	u.own(fn, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || u.routine(call) == "" {
			return
		}
		for _, a := range call.Args[min(1, len(call.Args)):] {
			if isK(u.TypesInfo.TypeOf(a)) {
				u.Reportf(a.Pos(), "a K is given to %s as a context: the callback has its own",
					u.routine(call))
			}
		}
	})
}

// outerK finds uses of the K of a function inside a callback written in it, which has one of its own.
func (u *unit) outerK(fn *function) {
	own := parameter(fn.sig, isK)
	if _, isLit := fn.node.(*ast.FuncLit); !isLit || own == nil {
		return
	}
	u.own(fn, func(n ast.Node) {
		id, ok := n.(*ast.Ident)
		if !ok {
			return
		}
		v, ok := u.TypesInfo.Uses[id].(*types.Var)
		if ok && isK(v.Type()) && v != own && !declares(fn.node, v) && !v.IsField() {
			u.Reportf(id.Pos(), "%s is the K of the function around this callback: use the callback's own",
				id.Name)
		}
	})
}

// declares reports whether a variable is declared inside a node.
func declares(n ast.Node, v *types.Var) bool { return n.Pos() <= v.Pos() && v.Pos() < n.End() }

// own visits what belongs to a function itself: literals in it that are functions of their own are left out.
func (u *unit) own(fn *function, visit func(ast.Node)) {
	ast.Inspect(fn.body, func(n ast.Node) bool {
		if lit, ok := n.(*ast.FuncLit); ok && slices.ContainsFunc(u.funcs,
			func(f *function) bool { return f.node == lit && takesK(f.sig) }) {
			return false
		}
		if n != nil {
			visit(n)
		}
		return true
	})
}

// kept looks at everything that outlives a callback: fields, package variables, elements, channels.
func (u *unit) kept(complaint func(e ast.Expr) string) {
	complain := func(e ast.Expr) {
		if what := complaint(e); what != "" {
			u.Reportf(e.Pos(), "%s", what)
		}
	}
	for _, fn := range u.funcs {
		if _, isLit := fn.node.(*ast.FuncLit); isLit && u.nested(fn) {
			continue
		}
		ast.Inspect(fn.body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					if len(n.Rhs) == len(n.Lhs) && u.outlives(to) {
						complain(n.Rhs[i])
					}
				}
			case *ast.SendStmt:
				complain(n.Value)
			case *ast.CompositeLit:
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						e = kv.Value
					}
					complain(e)
				}
			}
			return true
		})
	}
}

// nested reports whether a literal lies in another function that is looked at.
func (u *unit) nested(fn *function) bool {
	return slices.ContainsFunc(u.funcs, func(f *function) bool {
		return f != fn && f.body.Pos() <= fn.node.Pos() && fn.node.End() <= f.body.End()
	})
}

// outlives reports whether what is assigned to an expression is there when the function has returned.
func (u *unit) outlives(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, ok := u.TypesInfo.ObjectOf(e).(*types.Var)
		return ok && v.Parent() == u.Pkg.Scope()
	case *ast.SelectorExpr:
		base := u.variable(e.X)
		return base == nil || !isLocalStruct(base)
	case *ast.IndexExpr:
		return u.outlives(e.X)
	}
	return false
}

// isLocalStruct reports whether a variable holds a structure by value: its fields go with it.
func isLocalStruct(v *types.Var) bool {
	_, isStruct := v.Type().Underlying().(*types.Struct)
	return isStruct && v.Pkg() != nil && v.Parent() != v.Pkg().Scope() && !v.IsField()
}

// lenders are the methods that hand something out for use at once, by receiver.
var lenders = map[string][]string{
	"Typed":             {"Get"},
	"Buffer":            {"Bytes"},
	"IRP":               {"IoStatus", "AssociatedIrp", "Tail", "UserIosb"},
	"IO_STACK_LOCATION": {"Parameters"},
}

func runLentEscape(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	u.kept(func(e ast.Expr) string {
		call, ok := ast.Unparen(e).(*ast.CallExpr)
		if !ok {
			return ""
		}
		fn := typeutil.StaticCallee(u.TypesInfo, call)
		if fn == nil || fn.Signature().Recv() == nil || fn.Pkg() == nil || !within(fn.Pkg().Path(), u.root) {
			return ""
		}
		switch u.TypesInfo.TypeOf(e).Underlying().(type) {
		case *types.Pointer, *types.Slice:
		default:
			return ""
		}
		recv := fn.Signature().Recv().Type()
		if p, ok := recv.(*types.Pointer); ok {
			recv = p.Elem()
		}
		named, ok := types.Unalias(recv).(*types.Named)
		if !ok || !slices.Contains(lenders[named.Obj().Name()], fn.Name()) {
			return ""
		}
		return "what " + fn.Name() + " hands out is for use at once and is kept here: keep what it was " +
			"asked of, and ask again (POOL-013, IRP-005)"
	})
	return nil, nil
}
