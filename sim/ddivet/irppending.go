package ddivet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var irpPending = &analysis.Analyzer{
	Name: "irppending",
	Doc: "a dispatch routine that returns STATUS_PENDING and did not mark the IRP, or marked it and " +
		"returns something else\n\n" +
		"Rules of the simulator: IRP-006, IRP-007. Counterpart: MarkIrpPending and MarkIrpPending2 of " +
		"Driver Verifier, C28143 of Code Analysis.",
	Run: runIrpPending,
}

// marked is what is known of IoMarkIrpPending on the paths to a place.
type marked uint8

const (
	isUnmarked marked = iota
	isMarked
	unknown
)

func runIrpPending(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		if p := dispatched(fn.sig); p != nil && !u.marksLater(fn.body) {
			u.pending(fn, p)
		}
	}
	return nil, nil
}

// dispatched gives the IRP of a function with the parameters and the result of a dispatch routine.
func dispatched(sig *types.Signature) *types.Var {
	if sig.Params().Len() != 3 || sig.Results().Len() != 1 ||
		!isK(sig.Params().At(0).Type()) || !isPointerTo(sig.Params().At(1).Type(), "/irp", "DEVICE_OBJECT") ||
		!isNamed(sig.Results().At(0).Type(), "/ntstatus", "NTSTATUS") {
		return nil
	}
	if p := sig.Params().At(2); isIRP(p.Type()) {
		return p
	}
	return nil
}

// marksLater reports whether a literal or a deferred call marks: when it runs is not followed.
func (u *unit) marksLater(body *ast.BlockStmt) bool {
	later := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.FuncLit, *ast.DeferStmt:
			later = later || u.mentions(n, "IoMarkIrpPending")
		}
		return true
	})
	return later
}

func (u *unit) pending(fn *function, p *types.Var) {
	f := flow[marked]{entry: isUnmarked, equal: func(a, b marked) bool { return a == b }}
	f.join = func(a, b marked) marked {
		if a == b {
			return a
		}
		return unknown
	}
	f.step = func(n ast.Node, s marked, report bool) marked {
		switch n := n.(type) {
		case *ast.CallExpr:
			return u.pendingAfter(n, p, s)
		case *ast.ReturnStmt:
			if report && len(n.Results) == 1 {
				u.judgeReturn(n, s)
			}
		}
		return s
	}
	f.run(u, fn.body)
}

// pendingAfter is what is known after a call.
func (u *unit) pendingAfter(call *ast.CallExpr, p *types.Var, s marked) marked {
	if u.irpOf(call) != p || u.builtin(call) != "" {
		return s
	}
	switch name := u.routine(call); name {
	case "IoMarkIrpPending", "IoCsqInsertIrp":
		return isMarked
	case "IoCsqInsertIrpEx", "IoCallDriver", "IofCallDriver": // may mark, or the mark of another driver stays
		if s == isMarked {
			return s
		}
		return unknown
	case "":
		if h := u.helper(call); h == nil || u.mayMark(h.body, map[*function]bool{h: true}) {
			return unknown
		}
	}
	return s
}

// mayMark reports whether a function or one that it calls marks some IRP pending, as far as can be seen.
func (u *unit) mayMark(body *ast.BlockStmt, seen map[*function]bool) bool {
	if u.mentions(body, "IoMarkIrpPending") || u.mentions(body, "IoCsqInsertIrp") ||
		u.mentions(body, "IoCsqInsertIrpEx") || u.mentions(body, "IoCallDriver") {
		return true
	}
	may := false
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || may || u.irpOf(call) == nil || u.routine(call) != "" || u.builtin(call) != "" {
			return !may
		}
		if h := u.helper(call); h == nil || !seen[h] {
			seen[h] = true
			may = h == nil || u.mayMark(h.body, seen)
		}
		return !may
	})
	return may
}

// judgeReturn compares what is returned with what is known.
func (u *unit) judgeReturn(r *ast.ReturnStmt, s marked) {
	value, constant := u.returned(r.Results[0])
	switch {
	case constant && value == statusPending && s == isUnmarked:
		u.Reportf(r.Pos(), "STATUS_PENDING is returned, and nothing on the way here calls IoMarkIrpPending "+
			"(Driver Verifier MarkIrpPending; IRP-007)")
	case constant && value != statusPending && s == isMarked:
		u.Reportf(r.Pos(), "the IRP is marked pending, so STATUS_PENDING must be returned, whatever it was "+
			"completed with (Driver Verifier MarkIrpPending2, Code Analysis C28143; IRP-006)")
	}
}

// returned gives the status an expression is known to have: a constant, or what a helper is given to return.
func (u *unit) returned(e ast.Expr) (uint64, bool) {
	if v, ok := u.status(e); ok {
		return v, true
	}
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return 0, false
	}
	h := u.helper(call)
	if h == nil {
		return 0, false
	}
	var given *types.Var
	ok = true
	ast.Inspect(h.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if len(n.Results) != 1 || u.variable(n.Results[0]) == nil || given != nil {
				ok = false
				return false
			}
			given = u.variable(n.Results[0])
		case ast.Node:
			for _, v := range u.assigned(n) {
				ok = ok && v != given
			}
		}
		return true
	})
	for i := range h.sig.Params().Len() {
		if ok && given != nil && h.sig.Params().At(i) == given && i < len(call.Args) {
			return u.status(call.Args[i])
		}
	}
	return 0, false
}
