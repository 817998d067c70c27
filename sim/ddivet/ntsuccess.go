package ddivet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var ntSuccess = &analysis.Analyzer{
	Name: "ntsuccess",
	Doc: "the status of a routine compared with STATUS_SUCCESS or 0 where NT_SUCCESS is meant\n\n" +
		"STATUS_PENDING and other values that are no failures are not STATUS_SUCCESS either. Waits are " +
		"left alone: NT_SUCCESS(STATUS_TIMEOUT) is true. So is a status that is also compared with others. " +
		"Counterpart: common practice, and the CodeQL family ntstatus-explicit-cast.",
	Run: runNtSuccess,
}

func runNtSuccess(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		u.own(fn, func(n ast.Node) {
			b, ok := n.(*ast.BinaryExpr)
			if !ok || b.Op != token.EQL && b.Op != token.NEQ {
				return
			}
			x, y := b.X, b.Y
			if v, known := u.status(x); known && v == 0 {
				x, y = y, x
			}
			if v, known := u.status(y); !known || v != 0 || !u.ofRoutine(fn, x) {
				return
			}
			instead := "NT_SUCCESS"
			if b.Op == token.NEQ {
				instead = "!NT_SUCCESS"
			}
			u.Reportf(b.Pos(), "a status is compared with STATUS_SUCCESS: %s is meant, values such as "+
				"STATUS_PENDING are no failures", instead)
		})
	}
	return nil, nil
}

// ofRoutine reports whether a status comes from routines for which NT_SUCCESS is the question.
func (u *unit) ofRoutine(fn *function, e ast.Expr) bool {
	if call, ok := ast.Unparen(e).(*ast.CallExpr); ok {
		return u.answersNtSuccess(call)
	}
	v := u.variable(e)
	if v == nil || v.IsField() || slices.Contains(slices.Collect(fn.sig.Params().Variables()), v) {
		return false
	}
	sources, others := 0, false
	ast.Inspect(fn.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if u.variable(to) != v {
					continue
				}
				sources++
				call, ok := (ast.Expr)(nil), false
				if len(n.Rhs) == len(n.Lhs) {
					call, ok = ast.Unparen(n.Rhs[i]), true
				}
				c, isCall := call.(*ast.CallExpr)
				others = others || !ok || !isCall || !u.answersNtSuccess(c)
			}
		case *ast.BinaryExpr:
			others = others || u.otherStatus(n.X, n.Y, v) || u.otherStatus(n.Y, n.X, v)
		case *ast.SwitchStmt:
			others = others || n.Tag != nil && u.variable(n.Tag) == v
		case *ast.UnaryExpr:
			others = others || n.Op == token.AND && u.variable(n.X) == v
		}
		return true
	})
	return sources > 0 && !others && declares(fn.node, v)
}

// otherStatus reports whether a variable is compared with a status that is not STATUS_SUCCESS.
func (u *unit) otherStatus(a, b ast.Expr, v *types.Var) bool {
	value, known := u.status(b)
	return u.variable(a) == v && known && value != 0
}

// answersNtSuccess reports whether a call is one of a routine that gives an NTSTATUS, and no wait.
func (u *unit) answersNtSuccess(call *ast.CallExpr) bool {
	name := u.routine(call)
	return name != "" && !strings.HasPrefix(name, "KeWait") && !strings.HasPrefix(name, "KeDelay") &&
		isNamed(u.TypesInfo.TypeOf(call), "/ntstatus", "NTSTATUS")
}
