package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"testing"
)

// concurrentFiles may start goroutines and use channels.
var concurrentFiles = allowed{
	"internal/ke/baton_race.go": "in race builds a context is a goroutine, because iter.Pull hides the " +
		"races of the contexts it switches between (scheduling.md 2.4); still only one runs at a time",
	"internal/ke/gorace_on.go": "under ksim race a DPC is a goroutine, because the detector knows nothing " +
		"smaller; who lent it the stack waits",
}

// forbiddenImports bring an order or an outcome that the seed does not determine.
var forbiddenImports = map[string]string{
	"sync":         "one context runs at a time, so there is nothing to lock; ke.Slot keeps per-machine state",
	"sync/atomic":  "one context runs at a time; irql.Interlocked* are for drivers",
	"math/rand":    "randomness comes from the machine's choice source (ke.Choose)",
	"math/rand/v2": "randomness comes from the machine's choice source (ke.Choose)",
	"crypto/rand":  "randomness comes from the machine's choice source (ke.Choose)",
	"context":      "nothing is cancelled from outside; ends of a run come from the scheduler",
	"os/signal":    "nothing comes from outside but through ke.Post",
}

// harmlessTime is the part of package time that does not look at a clock.
var harmlessTime = []string{"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute",
	"Hour"}

// deterministic keeps the files whose behaviour must follow from the seed alone: what lies below sim, and the
// example drivers, which are what a reader imitates.
func deterministic(s *source) bool {
	return inPackage(s) && (belowSim(s.dir()) || driver(s.dir()))
}

// checkConcurrency finds Go's own concurrency.
func checkConcurrency(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(deterministic) {
		ast.Inspect(s.AST, func(n ast.Node) bool {
			what := ""
			switch n := n.(type) {
			case *ast.GoStmt:
				what = "go statement"
			case *ast.SelectStmt:
				what = "select"
			case *ast.ChanType:
				what = "channel type"
			case *ast.SendStmt:
				what = "channel send"
			case *ast.UnaryExpr:
				if n.Op == token.ARROW {
					what = "channel receive"
				}
			}
			if what != "" {
				problems = append(problems, tr.at(n.Pos(), "%s", what))
			}
			return true
		})
	}
	return problems
}

// checkSources finds imports of randomness, locks and clocks.
func checkSources(tr *tree) []problem {
	var problems []problem
	for s := range tr.golang(deterministic) {
		for imported, pos := range importsOf(s) {
			if why, bad := forbiddenImports[imported]; bad {
				problems = append(problems, tr.at(pos, "imports %s: %s", imported, why))
			}
		}
		clock := localName(s, "time")
		ast.Inspect(s.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || clock == "" {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == clock &&
				!slices.Contains(harmlessTime, sel.Sel.Name) {
				problems = append(problems, tr.at(n.Pos(), "uses time.%s: time is virtual "+
					"(internal/ke/clock.go)",
					sel.Sel.Name))
			}
			return true
		})
	}
	return problems
}

// localName gives the name under which a file uses an import; "" when it does not.
func localName(s *source, imported string) string {
	for _, i := range s.AST.Imports {
		if i.Path.Value == `"`+imported+`"` {
			if i.Name != nil {
				return i.Name.Name
			}
			return imported
		}
	}
	return ""
}

// checkMapOrder finds loops and helpers that go through a map in its random order.
func checkMapOrder(tr *tree) []problem {
	var problems []problem
	for _, p := range tr.typedPackages() {
		for _, s := range p.files {
			if !deterministic(s) {
				continue
			}
			sorted := map[ast.Node]bool{}
			ast.Inspect(s.AST, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.RangeStmt:
					if t := p.info.TypeOf(n.X); t != nil && isMap(t) {
						problems = append(problems, tr.at(n.Pos(), "range over a map"))
					}
				case *ast.CallExpr:
					switch pkg, name := callee(p.info, n); {
					case pkg == "slices" && (name == "Sorted" || name == "SortedFunc" ||
						name == "SortedStableFunc"):
						sorted[n.Args[0]] = true
					case pkg == "maps" && (name == "Keys" || name == "Values" || name == "All") && !sorted[n]:
						problems = append(problems, tr.at(n.Pos(), "maps.%s without slices.Sorted around it",
							name))
					case pkg == "reflect" && (name == "MapRange" || name == "MapKeys"):
						problems = append(problems, tr.at(n.Pos(), "reflect's %s", name))
					}
				}
				return true
			})
		}
	}
	return problems
}

// isMap reports whether ranging over a value of type t follows a map's order.
func isMap(t types.Type) bool {
	if union, ok := t.Underlying().(*types.Interface); ok { // a type parameter
		for i := range union.NumEmbeddeds() {
			switch e := union.EmbeddedType(i).(type) {
			case *types.Union:
				return isMap(e.Term(0).Type())
			default:
				return isMap(e)
			}
		}
	}
	_, is := t.Underlying().(*types.Map)
	return is
}

// callee gives package and name of the function a call names.
func callee(info *types.Info, call *ast.CallExpr) (pkg, name string) {
	fun := ast.Unparen(call.Fun)
	if i, ok := fun.(*ast.IndexExpr); ok { // explicit type argument
		fun = i.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	if f, ok := info.Uses[sel.Sel].(*types.Func); ok && f.Pkg() != nil {
		return f.Pkg().Path(), f.Name()
	}
	return "", ""
}

const deterministicRule = "Below sim, and in the example drivers, the seed decides everything (style.md 5): "

func TestNoConcurrency(t *testing.T) {
	problems := concurrentFiles.excuse(checkConcurrency(thisModule(t)), fileOf)
	expectNone(t, deterministicRule+"contexts are made by internal/ke (Machine.NewThread, QueueDPC, "+
		"QueueWork) and switch only at scheduling points; no Go concurrency.",
		problems)
}

func TestNoClocksLocksOrRandomness(t *testing.T) {
	expectNone(t, deterministicRule+"no wall clock, no locks, no randomness but the machine's.",
		checkSources(thisModule(t)))
}

func TestNoMapOrder(t *testing.T) {
	expectNone(t, deterministicRule+"Go iterates over a map in another order each time. Keep a slice "+
		"beside the map, or range over slices.Sorted(maps.Keys(m)).",
		checkMapOrder(thisModule(t)))
}

func TestForbidden_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"irp/a.go": `package irp
			import ("sync"; "time"; clock "time")
			var d time.Duration = time.Second
			func f(c chan int) {
				go f(nil)
				select { case v := <-c: _ = v; case c <- 1: }
				time.Sleep(d)
			}`,
		"irp/b.go": `package irp
			import ("maps"; "slices")
			type set map[string]bool
			func g[M map[string]int](s set, m M) []string {
				for k := range s { _ = k }
				for range m { }
				for range maps.Values(s) { }
				for _, k := range slices.Sorted(maps.Keys(s)) { _ = k }
				for range []int{1} { }
				return nil
			}`,
		"irp/a_test.go":        `package irp; import "sync"; func t() { go t() }`,
		"docs/examples/x/a.go": `package x; import r "math/rand"; var _ = r.Int; var _ chan int`,
		"sim/a.go":             `package sim; import ("sync"; "time"); var _ = time.Now; func f() { go f() }`,
	})
	expectSome(t, checkConcurrency(tr), "irp/a.go:4: channel type", "irp/a.go:5: go statement",
		"irp/a.go:6: select", "irp/a.go:6: channel receive", "irp/a.go:6: channel send",
		"docs/examples/x/a.go:1: channel type")
	expectSome(t, checkSources(tr), "irp/a.go:2: imports sync", "irp/a.go:7: uses time.Sleep",
		"docs/examples/x/a.go:1: imports math/rand")
	expectSome(t, checkMapOrder(tr), "irp/b.go:5: range over a map", "irp/b.go:6: range over a map",
		"irp/b.go:7: maps.Values")
}
