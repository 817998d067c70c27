package ddivet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var pendBlock = &analysis.Analyzer{
	Name: "pendblock",
	Doc: "FwpsPendClassify0 in a function that does not block, or does not clear the right to write\n\n" +
		"Callouts of lower weight would decide meanwhile. Rule of the simulator: WFP-066. Counterpart: " +
		"CodeQL cpp/windows/wdk/kmdf/wfp/connect-redirect-pend-classify.",
	Run: runPendBlock,
}

var redirHandle = &analysis.Analyzer{
	Name: "redirhandle",
	Doc: "FwpsRedirectHandleCreate0 in a classifyFn\n\n" +
		"A handle is made once, when the driver starts, and serves all connections. Rule of the simulator: " +
		"WFP-097. Counterpart: CodeQL cpp/windows/wdk/kmdf/wfp/connect-reirect-handle-creation (spelled so).",
	Run: runRedirHandle,
}

var inlineReauth = &analysis.Analyzer{
	Name: "inlinereauth",
	Doc: "FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS in an inline connect redirection\n\n" +
		"The flag is for classifications that were pended. Rule of the simulator: WFP-087. Counterpart: " +
		"CodeQL cpp/windows/wdk/kmdf/wfp/inline-connect-redirect.",
	Run: runInlineReauth,
}

func isClassifyOut(t types.Type) bool { return isPointerTo(t, "/fwps", "FWPS_CLASSIFY_OUT0") }

// isClassify reports whether a function has the parameters of a classifyFn.
func isClassify(sig *types.Signature) bool {
	in := func(t types.Type) bool { return isPointerTo(t, "/fwps", "FWPS_INCOMING_VALUES0") }
	return isK(firstOf(sig)) && parameter(sig, in) != nil && parameter(sig, isClassifyOut) != nil
}

func firstOf(sig *types.Signature) types.Type {
	if sig.Params().Len() == 0 {
		return nil
	}
	return sig.Params().At(0).Type()
}

// calls gives the calls of a routine in a function.
func (u *unit) calls(fn *function, name string) []*ast.CallExpr {
	var all []*ast.CallExpr
	ast.Inspect(fn.body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && u.routine(call) == name {
			all = append(all, call)
		}
		return true
	})
	return all
}

func runPendBlock(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		for _, call := range u.calls(fn, "FwpsPendClassify0") {
			out := call.Args[len(call.Args)-1]
			blocks, clears, elsewhere := u.answers(fn, u.variable(out))
			switch {
			case elsewhere || u.variable(out) == nil || !isClassify(fn.sig):
			case !blocks:
				u.Reportf(call.Pos(), "a classification is pended and ActionType is not set to "+
					"FWP_ACTION_BLOCK: callouts of lower weight decide meanwhile (CodeQL "+
					"connect-redirect-pend-classify; WFP-066)")
			case !clears:
				u.Reportf(call.Pos(), "a classification is pended and FWPS_RIGHT_ACTION_WRITE is not "+
					"cleared: callouts of lower weight decide meanwhile (CodeQL "+
					"connect-redirect-pend-classify; WFP-066)")
			}
		}
	}
	return nil, nil
}

// answers says whether a function sets the action of a classifyOut to block and clears its right, or leaves
// that to somebody else.
func (u *unit) answers(fn *function, out *types.Var) (blocks, clears, elsewhere bool) {
	ast.Inspect(fn.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				sel, ok := ast.Unparen(to).(*ast.SelectorExpr)
				if !ok || u.variable(sel.X) != out || i >= len(n.Rhs) {
					continue
				}
				switch sel.Sel.Name {
				case "ActionType":
					blocks = blocks || u.mentions(n.Rhs[i], "FWP_ACTION_BLOCK")
				case "Rights":
					v, known := u.constantOf(n.Rhs[i])
					clears = clears || u.mentions(n.Rhs[i], "FWPS_RIGHT_ACTION_WRITE") ||
						n.Tok == token.ASSIGN && known && v == 0
				}
			}
		case *ast.CallExpr:
			if u.routine(n) != "" {
				return true
			}
			for _, a := range n.Args {
				elsewhere = elsewhere || u.variable(a) == out && out != nil
			}
		}
		return true
	})
	return blocks, clears, elsewhere
}

func runRedirHandle(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		if !isClassify(fn.sig) {
			continue
		}
		for _, call := range u.below(fn, "FwpsRedirectHandleCreate0", map[*function]bool{}) {
			u.Reportf(call.Pos(), "FwpsRedirectHandleCreate0 is reached from a classifyFn: create one "+
				"handle when the driver starts, and use it for all connections (CodeQL "+
				"connect-reirect-handle-creation; WFP-097)")
		}
	}
	return nil, nil
}

// below gives the calls of a routine in a function and in the helpers it calls.
func (u *unit) below(fn *function, name string, seen map[*function]bool) []*ast.CallExpr {
	if seen[fn] {
		return nil
	}
	seen[fn] = true
	all := u.calls(fn, name)
	ast.Inspect(fn.body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if h := u.helper(call); h != nil {
				all = append(all, u.below(h, name, seen)...)
			}
		}
		return true
	})
	return all
}

func runInlineReauth(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		if !isClassify(fn.sig) || len(u.below(fn, "FwpsPendClassify0", map[*function]bool{})) > 0 {
			continue
		}
		for _, call := range u.calls(fn, "FwpsApplyModifiedLayerData0") {
			flags, known := u.constantOf(call.Args[len(call.Args)-1])
			if known && flags&1 != 0 {
				u.Reportf(call.Pos(), "an inline redirection asks for reauthorization: the flag is for "+
					"classifications that were pended (CodeQL inline-connect-redirect; WFP-087)")
			}
		}
	}
	return nil, nil
}
