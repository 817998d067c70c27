package ddivet

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"
)

var skipCompletion = &analysis.Analyzer{
	Name: "skipcompletion",
	Doc: "IoSetCompletionRoutine after IoSkipCurrentIrpStackLocation\n\n" +
		"The next driver gets the location of this one, and with it the completion routine of the driver " +
		"above, which is overwritten. Rule of the simulator: IRP-014. Counterpart: the remarks of " +
		"IoSkipCurrentIrpStackLocation.",
	Run: runSkipCompletion,
}

func runSkipCompletion(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		f := flow[marks]{entry: marks{}, join: both, equal: same}
		f.step = func(n ast.Node, s marks, report bool) marks {
			for _, v := range u.assigned(n) {
				s = s.without(v)
			}
			if call, ok := n.(*ast.CallExpr); ok {
				return u.skips(call, s, report)
			}
			return s
		}
		f.run(u, fn.body)
	}
	return nil, nil
}

func (u *unit) skips(call *ast.CallExpr, s marks, report bool) marks {
	p := u.irpOf(call)
	if p == nil {
		return s
	}
	switch u.routine(call) {
	case "IoSkipCurrentIrpStackLocation":
		return s.with(p, call)
	case "IoSetCompletionRoutine", "IoSetCompletionRoutineEx":
		if at, skipped := s[p]; skipped && report {
			u.Reportf(call.Pos(), "the location of %s was skipped in line %d: this overwrites the "+
				"completion routine of the driver above; use IoCopyCurrentIrpStackLocationToNext instead "+
				"of skipping (remarks of IoSkipCurrentIrpStackLocation; IRP-014)", p.Name(), u.line(at.Pos()))
		}
		return s
	case "IoGetCurrentIrpStackLocation", "IoGetNextIrpStackLocation":
		return s // they look
	}
	return s.without(p)
}
