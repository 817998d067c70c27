package ddivet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

var pureDriver = &analysis.Analyzer{
	Name: "puredriver",
	Doc: "Go's own concurrency, clocks, randomness, map order and the world outside in a driver\n\n" +
		"The simulator decides who runs next, what time it is and what fails. What a driver takes from " +
		"elsewhere makes runs that cannot be repeated, or a wait that never ends.",
	Run: runPureDriver,
}

// notInDrivers are packages, and what drivers use instead.
var notInDrivers = map[string]string{
	"sync":         "use the locks of irql, such as KSPIN_LOCK and FAST_MUTEX",
	"sync/atomic":  "use irql.Var and the Interlocked… routines",
	"math/rand":    "what is random is a choice of the simulator; a driver has none",
	"math/rand/v2": "what is random is a choice of the simulator; a driver has none",
	"crypto/rand":  "what is random is a choice of the simulator; a driver has none",
	"context":      "use an event and KeWaitForSingleObject, or a cancel routine",
	"net":          "use wsk; addresses are in wsk/ws2def and net/netip",
	"net/http":     "use wsk",
	"os":           "use the Zw… routines",
	"os/exec":      "drivers start no programs",
	"os/signal":    "nothing comes from outside the simulator",
	"io/ioutil":    "use the Zw… routines",
	"log":          "use DbgPrint",
	"log/slog":     "use DbgPrint",
	"runtime":      "what Go's scheduler does is not the simulator's",
	"syscall":      "the kernel is the simulator's",
	"testing":      "drivers do not know that they are tested",
}

// clocks are the members of package time that look at one.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func runPureDriver(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, f := range u.drivers {
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if why, bad := notInDrivers[path]; bad {
				u.Reportf(i.Pos(), "a driver imports %s: %s", path, why)
			}
		}
		u.impure(f, nil)
	}
	for _, fn := range u.funcs {
		if !slices.ContainsFunc(u.drivers, func(f *ast.File) bool {
			return f.FileStart <= fn.node.Pos() && fn.node.Pos() < f.FileEnd
		}) {
			u.impure(fn.body, fn.node)
		}
	}
	return nil, nil
}

// impure looks at a driver's code. Literals with a K of their own inside a function are looked at by
// themselves.
func (u *unit) impure(root, self ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		if lit, ok := n.(*ast.FuncLit); ok && self != nil && n != self {
			sig, _ := u.TypesInfo.TypeOf(lit).(*types.Signature)
			return sig == nil || !takesK(sig)
		}
		switch n := n.(type) {
		case *ast.GoStmt:
			u.Reportf(n.Pos(), "go statement in a driver: use PsCreateSystemThread or a work item")
		case *ast.SelectStmt:
			u.Reportf(n.Pos(), "select in a driver: use KeWaitForMultipleObjects")
			return false
		case *ast.SendStmt:
			u.Reportf(n.Pos(), "channel in a driver: use an event and a list under a spin lock")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				u.Reportf(n.Pos(), "channel in a driver: use an event and KeWaitForSingleObject")
			}
		case *ast.ChanType:
			u.Reportf(n.Pos(), "channel in a driver: use an event and a list under a spin lock")
		case *ast.SelectorExpr:
			u.clock(n)
		case *ast.BlockStmt:
			for i, s := range n.List {
				if r, ok := s.(*ast.RangeStmt); ok {
					u.mapRange(r, n.List[i+1:])
				}
			}
		}
		return true
	})
}

func (u *unit) clock(sel *ast.SelectorExpr) {
	obj := u.TypesInfo.Uses[sel.Sel]
	if obj == nil || obj.Pkg() == nil {
		return
	}
	fn, ok := obj.(*types.Func)
	switch {
	case !ok || fn.Signature().Recv() != nil:
	case obj.Pkg().Path() == "time" && slices.Contains(clocks, obj.Name()):
		u.Reportf(sel.Pos(), "time.%s in a driver: use KeQuerySystemTime, KeDelayExecutionThread or a KTIMER",
			obj.Name())
	case strings.HasPrefix(obj.Pkg().Path(), "math/rand") && len(u.drivers) == 0:
		u.Reportf(sel.Pos(), "%s.%s in a driver: %s", obj.Pkg().Name(), obj.Name(), notInDrivers["math/rand"])
	}
}

// mapRange judges a range over a map: what comes first differs from run to run.
func (u *unit) mapRange(r *ast.RangeStmt, after []ast.Stmt) {
	if !u.unordered(r.X) || r.Key == nil || u.orderless(r, after) {
		return
	}
	u.Reportf(r.Pos(), "range over a map in a driver: the order differs from run to run; range over "+
		"slices.Sorted(maps.Keys(m)), or keep a slice or a LIST_ENTRY")
}

// unordered reports whether an expression is a map, or an iterator over one.
func (u *unit) unordered(e ast.Expr) bool {
	if t := u.TypesInfo.TypeOf(e); t != nil {
		if _, isMap := t.Underlying().(*types.Map); isMap {
			return true
		}
	}
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := typeutil.StaticCallee(u.TypesInfo, call)
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "maps" &&
		slices.Contains([]string{"All", "Keys", "Values"}, fn.Name())
}

// orderless reports whether the order plainly makes no difference: everything is deleted, or collected and
// sorted afterwards.
func (u *unit) orderless(r *ast.RangeStmt, after []ast.Stmt) bool {
	if len(r.Body.List) != 1 {
		return false
	}
	switch s := r.Body.List[0].(type) {
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return ok && u.builtin(call) == "delete"
	case *ast.AssignStmt:
		if len(s.Lhs) != 1 || len(s.Rhs) != 1 {
			return false
		}
		call, ok := s.Rhs[0].(*ast.CallExpr)
		to := u.variable(s.Lhs[0])
		return ok && to != nil && u.builtin(call) == "append" && u.sorted(to, after)
	}
	return false
}

func (u *unit) builtin(call *ast.CallExpr) string {
	id, _ := ast.Unparen(call.Fun).(*ast.Ident)
	if b, ok := u.TypesInfo.Uses[id].(*types.Builtin); ok {
		return b.Name()
	}
	return ""
}

// sorted reports whether one of the statements sorts a slice.
func (u *unit) sorted(v *types.Var, after []ast.Stmt) bool {
	for _, s := range after {
		e, ok := s.(*ast.ExprStmt)
		if !ok {
			continue
		}
		call, ok := e.X.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 || u.variable(call.Args[0]) != v {
			continue
		}
		fn := typeutil.StaticCallee(u.TypesInfo, call)
		if fn != nil && fn.Pkg() != nil && (fn.Pkg().Path() == "sort" ||
			fn.Pkg().Path() == "slices" && strings.HasPrefix(fn.Name(), "Sort")) {
			return true
		}
	}
	return false
}
