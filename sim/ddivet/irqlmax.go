package ddivet

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"

	"calloutsim/internal/ddi"
)

var irqlMax = &analysis.Analyzer{
	Name: "irqlmax",
	Doc: "a routine above its IRQL limit after a visible KeRaiseIrql or spin lock, or in a DPC\n\n" +
		"Limits are those of `ksim ddi`. Rule of the simulator: IRQL-001. Counterpart: IrqlTooHigh of " +
		"CodeQL, C28121 of Code Analysis, and the IrqlKe… and IrqlIo… rules of Driver Verifier.",
	Run: runIrqlMax,
}

// The levels that locks lead to.
const (
	apcLevel      = 1
	dispatchLevel = 2
)

// raisers are the routines that lead to a level and come back with one of lowerers.
var raisers = map[string]byte{
	"KeAcquireSpinLock": dispatchLevel, "KeAcquireSpinLockRaiseToDpc": dispatchLevel,
	"KeAcquireSpinLockAtDpcLevel": dispatchLevel, "KeAcquireSpinLockRaiseToSynch": dispatchLevel,
	"KeAcquireSpinLockForDpc": dispatchLevel, "KeAcquireInStackQueuedSpinLock": dispatchLevel,
	"KeAcquireInStackQueuedSpinLockAtDpcLevel": dispatchLevel,
	"KeAcquireInStackQueuedSpinLockForDpc":     dispatchLevel,
	"ExAcquireSpinLockShared":                  dispatchLevel, "ExAcquireSpinLockExclusive": dispatchLevel,
	"ExAcquireSpinLockSharedAtDpcLevel":    dispatchLevel,
	"ExAcquireSpinLockExclusiveAtDpcLevel": dispatchLevel, "IoAcquireCancelSpinLock": dispatchLevel,
	"KeRaiseIrqlToDpcLevel": dispatchLevel, "KeRaiseIrqlToSynchLevel": dispatchLevel,
	"ExAcquireFastMutex": apcLevel,
}

var lowerers = map[string]bool{
	"KeReleaseSpinLock": true, "KeReleaseSpinLockFromDpcLevel": true, "KeReleaseSpinLockForDpc": true,
	"KeReleaseInStackQueuedSpinLock": true, "KeReleaseInStackQueuedSpinLockFromDpcLevel": true,
	"KeReleaseInStackQueuedSpinLockForDpc": true, "ExReleaseSpinLockShared": true,
	"ExReleaseSpinLockExclusive": true, "ExReleaseSpinLockSharedFromDpcLevel": true,
	"ExReleaseSpinLockExclusiveFromDpcLevel": true, "IoReleaseCancelSpinLock": true, "KeLowerIrql": true,
	"ExReleaseFastMutex": true,
}

// levels is what is known of the level: the least it can be now, last, and below it what it was before each
// raise that is not undone. One byte each, so that states compare.
type levels string

func (l levels) now() byte { return l[len(l)-1] }

func (l levels) raise(to byte) levels { return l + levels(max(l.now(), to)) }

func (l levels) lower() levels {
	if len(l) == 1 {
		return "\x00" // the raise was elsewhere
	}
	return l[:len(l)-1]
}

func runIrqlMax(pass *analysis.Pass) (any, error) {
	u := look(pass)
	if u == nil {
		return nil, nil
	}
	for _, fn := range u.funcs {
		f := flow[levels]{entry: u.entryLevel(fn.sig), equal: func(a, b levels) bool { return a == b }}
		f.join = func(a, b levels) levels {
			if a == b {
				return a
			}
			return "\x00"
		}
		f.step = func(n ast.Node, l levels, report bool) levels {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return l
			}
			name := u.routine(call)
			if name != "" && report {
				u.judgeLevel(call, name, l.now())
			}
			return u.levelAfter(call, name, l)
		}
		f.run(u, fn.body)
	}
	return nil, nil
}

// entryLevel is what the type of a callback says of the level it starts at. Where there are threaded DPCs,
// nobody can tell which of the two a routine belongs to.
func (u *unit) entryLevel(sig *types.Signature) levels {
	isDeferred := sig.Params().Len() == 5 && isPointerTo(sig.Params().At(1).Type(), "/irql", "KDPC")
	threaded := func(f *ast.File) bool { return u.mentions(f, "KeInitializeThreadedDpc") }
	if isDeferred && !slices.ContainsFunc(u.Files, threaded) {
		return "\x02"
	}
	return "\x00"
}

func (u *unit) levelAfter(call *ast.CallExpr, name string, l levels) levels {
	if to, raises := raisers[name]; raises {
		return l.raise(to)
	}
	switch {
	case lowerers[name]:
		return l.lower()
	case name == "KeRaiseIrql" && len(call.Args) > 1:
		to, _ := u.constantOf(call.Args[1])
		return l.raise(byte(min(to, 31)))
	case name == "" && u.helper(call) != nil && u.changesLevel(u.helper(call).body):
		return "\x00"
	}
	return l
}

// changesLevel reports whether a helper mentions something that changes the level.
func (u *unit) changesLevel(body *ast.BlockStmt) bool {
	changes := false
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name := u.routine(call)
			_, raises := raisers[name]
			changes = changes || raises || lowerers[name] || name == "KeRaiseIrql"
		}
		return !changes
	})
	return changes
}

// judgeLevel compares the level with the limit of a routine.
func (u *unit) judgeLevel(call *ast.CallExpr, name string, now byte) {
	id, known := ddi.ByName(name)
	if !known || now == 0 {
		return
	}
	limit := ddi.MaxIRQL(id)
	if (name == "KeWaitForSingleObject" || name == "KeWaitForMultipleObjects") && u.waits(name, call) {
		limit = apcLevel
	}
	if limit == ddi.NoLimit || now <= limit {
		return
	}
	u.Reportf(call.Pos(), "%s at %s or above: its limit here is %s (CodeQL IrqlTooHigh, Code Analysis "+
		"C28121; IRQL-001)", name, levelName(now), levelName(limit))
}

// waits reports whether a wait has no timeout.
func (u *unit) waits(name string, call *ast.CallExpr) bool {
	i := 6 // of KeWaitForSingleObject, in Go
	if name == "KeWaitForMultipleObjects" {
		i = 7
	}
	return i-1 < len(call.Args) && u.TypesInfo.Types[call.Args[i-1]].IsNil()
}

func levelName(l byte) string {
	switch l {
	case 0:
		return "PASSIVE_LEVEL"
	case apcLevel:
		return "APC_LEVEL"
	case dispatchLevel:
		return "DISPATCH_LEVEL"
	}
	return fmt.Sprintf("IRQL %d", l)
}
