package ddivet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/cfg"
)

// flow follows a function along its paths. A state S is what is known at a place whatever path led there.
type flow[S any] struct {
	entry S
	join  func(a, b S) S // what is known where two paths meet
	equal func(a, b S) bool
	// step gives the state behind a node. Where report is set, it may report what it sees: the state in front
	// is then final, and the node is visited once.
	step func(n ast.Node, s S, report bool) S
	end  func(s S) // is called with the state at each return, also the one without a statement; may be nil
}

// run follows the body.
func (f *flow[S]) run(u *unit, body *ast.BlockStmt) {
	g := cfg.New(body, func(call *ast.CallExpr) bool { return !u.neverReturns(call) })
	in := make([]*S, len(g.Blocks))
	in[0] = &f.entry
	for queue := []*cfg.Block{g.Blocks[0]}; len(queue) > 0; {
		b := queue[0]
		queue = queue[1:]
		s := f.block(b, *in[b.Index], false)
		for _, next := range b.Succs {
			merged := s
			if old := in[next.Index]; old != nil {
				if merged = f.join(*old, s); f.equal(*old, merged) {
					continue
				}
			}
			in[next.Index] = &merged
			queue = append(queue, next)
		}
	}
	for _, b := range g.Blocks {
		if in[b.Index] == nil {
			continue
		}
		s := f.block(b, *in[b.Index], true)
		if len(b.Succs) == 0 && f.end != nil && !u.endsInPanic(b) {
			f.end(s)
		}
	}
}

// block takes a state through the nodes of a block, each after what it is made of.
func (f *flow[S]) block(b *cfg.Block, s S, report bool) S {
	for _, n := range b.Nodes {
		postorder(n, func(n ast.Node) { s = f.step(n, s, report) })
	}
	return s
}

// postorder visits a node after the nodes below it. It stays out of function literals, which run at another
// time, and out of the call of a defer statement, but not of its arguments.
func postorder(n ast.Node, visit func(ast.Node)) {
	var stack []ast.Node
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			visit(last)
			return true
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.DeferStmt:
			for _, a := range n.Call.Args {
				postorder(a, visit)
			}
			return false
		}
		stack = append(stack, n)
		return true
	})
}

// neverReturns reports whether a call ends the run.
func (u *unit) neverReturns(call *ast.CallExpr) bool {
	if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
		_, builtin := u.TypesInfo.Uses[id].(*types.Builtin)
		return builtin
	}
	switch u.routine(call) {
	case "KeBugCheck", "KeBugCheckEx", "PsTerminateSystemThread":
		return true
	}
	return false
}

func (u *unit) endsInPanic(b *cfg.Block) bool {
	if len(b.Nodes) == 0 {
		return false
	}
	s, ok := b.Nodes[len(b.Nodes)-1].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := s.X.(*ast.CallExpr)
	return ok && u.neverReturns(call)
}

// marks are variables of which something is known, with the place that made it so. It is never changed.
type marks map[*types.Var]ast.Node

func (m marks) with(v *types.Var, n ast.Node) marks {
	c := marks{v: n}
	for w, at := range m {
		if w != v {
			c[w] = at
		}
	}
	return c
}

func (m marks) without(v *types.Var) marks {
	if _, ok := m[v]; !ok {
		return m
	}
	c := marks{}
	for w, at := range m {
		if w != v {
			c[w] = at
		}
	}
	return c
}

// both keeps what is known on both of two paths.
func both(a, b marks) marks {
	c := marks{}
	for v, at := range a {
		if _, ok := b[v]; ok {
			c[v] = at
		}
	}
	return c
}

func same(a, b marks) bool {
	if len(a) != len(b) {
		return false
	}
	for v := range a {
		if _, ok := b[v]; !ok {
			return false
		}
	}
	return true
}

// assigned gives the variables a node gives another value.
func (u *unit) assigned(n ast.Node) []*types.Var {
	var to []ast.Expr
	switch n := n.(type) {
	case *ast.AssignStmt:
		to = n.Lhs
	case *ast.RangeStmt:
		to = []ast.Expr{n.Key, n.Value}
	case *ast.ValueSpec:
		for _, id := range n.Names {
			to = append(to, id)
		}
	case *ast.UnaryExpr:
		if n.Op.String() == "&" {
			to = []ast.Expr{n.X} // somebody else may
		}
	}
	var all []*types.Var
	for _, e := range to {
		if e == nil {
			continue
		}
		if v := u.variable(e); v != nil {
			all = append(all, v)
		}
	}
	return all
}
