package ddivet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var afterComplete = &analysis.Analyzer{
	Name: "aftercomplete",
	Doc: "use of an IRP after IoCompleteRequest or IoFreeIrp in the same routine\n\n" +
		"The IRP belongs to somebody else, or is gone: keep the status in a variable and return that. " +
		"Rules of the simulator: IRP-001, IRP-005. Counterpart: the rules DoubleCompletion and " +
		"PendedCompletedRequest of Driver Verifier.",
	Run: runAfterComplete,
}

func runAfterComplete(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	e := &enders{unit: u, of: map[*function][]bool{}}
	e.learn()
	for _, fn := range u.funcs {
		e.follow(fn, true, nil)
	}
	return nil, nil
}

// enders knows which helpers of a package complete or free an IRP they are given, whatever path they take.
type enders struct {
	*unit
	of map[*function][]bool // by parameter
}

// learn looks at helpers, and at helpers of helpers.
func (e *enders) learn() {
	for range 3 {
		for _, fn := range e.named {
			if parameter(fn.sig, isIRP) == nil {
				continue
			}
			params, ends := fn.sig.Params(), make([]bool, fn.sig.Params().Len())
			first := true
			e.follow(fn, false, func(s marks) {
				for i := range ends {
					_, ended := s[params.At(i)]
					ends[i] = ended && (first || ends[i])
				}
				first = false
			})
			e.of[fn] = ends
		}
	}
}

// follow goes along the paths of a function, and reports if it is told to.
func (e *enders) follow(fn *function, report bool, end func(s marks)) {
	f := flow[marks]{entry: marks{}, join: both, equal: same, end: end}
	f.step = func(n ast.Node, s marks, final bool) marks {
		for _, v := range e.assigned(n) {
			s = s.without(v)
		}
		if report && final {
			e.judge(n, s)
		}
		if call, ok := n.(*ast.CallExpr); ok {
			if v := e.ends(call); v != nil {
				s = s.with(v, call)
			}
		}
		return s
	}
	f.run(e.unit, fn.body)
}

// ends gives the IRP that is no longer the caller's after a call.
func (e *enders) ends(call *ast.CallExpr) *types.Var {
	switch e.routine(call) {
	case "IoCompleteRequest", "IofCompleteRequest", "IoFreeIrp":
		return e.irpOf(call)
	}
	for i, ended := range e.of[e.helper(call)] {
		if ended && i < len(call.Args) {
			if v := e.variable(call.Args[i]); v != nil && isIRP(v.Type()) {
				return v
			}
		}
	}
	return nil
}

// judge looks at a node that may touch an IRP.
func (e *enders) judge(n ast.Node, s marks) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if v := e.variable(n.X); v != nil {
			e.touches(n, v, s)
		}
	case *ast.CallExpr:
		for _, a := range n.Args {
			if v := e.variable(a); v != nil {
				e.touches(n, v, s)
			}
		}
	}
}

func (e *enders) touches(n ast.Node, v *types.Var, s marks) {
	at, ended := s[v]
	if !ended {
		return
	}
	call := at.(*ast.CallExpr)
	did := "completed"
	if strings.HasPrefix(e.routine(call), "IoFree") {
		did = "freed"
	}
	e.Reportf(n.Pos(), "%s was %s in line %d and is no longer the driver's: keep what is needed before "+
		"(Driver Verifier DoubleCompletion, PendedCompletedRequest; IRP-005)", v.Name(), did,
		e.line(call.Pos()))
}
