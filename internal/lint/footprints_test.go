package lint

import (
	"go/ast"
	"go/types"
	"strings"
	"testing"

	"calloutsim/internal/ddi"
)

// recorders are the functions and methods of internal/ke that make something part of the footprint of a step.
var recorders = []string{"Point", "PointHere", "PointSpin", "PointRWSpin", "Accesses", "Adds", "AddsOn",
	"Alive", "Ends", "Within", "Nameless", "Wait", "Yield", "Sleep", "SetSignal", "ReleaseMutex",
	"AcquireSpin",
	"TryAcquireSpin", "ReleaseSpin", "AcquireRW", "ReleaseRW", "ShareRW", "AcquireRWSpin", "ReleaseRWSpin",
	"UpgradeRWSpin", "QueueDPC", "FlushDPCs", "SetTimer", "QueueAPC", "Stall", "Time", "ExitThread"}

// pureDDIs leave no footprint, because nobody else notices them (scheduling.md 5.4).
var pureDDIs = allowed{
	"fwps/fwpm.FwpmFreeMemory0":               callers,
	"fwps.FwpsRedirectHandleCreate0":          creation,
	"irp.IoAllocateWorkItem":                  creation,
	"irql.ExInitializeSetTimerParameters":     "fills a structure of the caller",
	"irql.ExInitializeDeleteTimerParameters":  "fills a structure of the caller",
	"irql.KeGetCurrentIrql":                   level,
	"irql.KeRaiseIrql":                        level,
	"irql.KeRaiseIrqlToDpcLevel":              level,
	"irql.KeRaiseIrqlToSynchLevel":            level,
	"irql.KfRaiseIrql":                        level,
	"irql.KfLowerIrql":                        level + "; DPCs that it lets in leave footprints of their own",
	"irql.DbgPrint":                           "nobody but the test sees it",
	"irql.DbgPrintEx":                         "nobody but the test sees it",
	"irql.KdPrint":                            "nobody but the test sees it",
	"irql.KdPrintEx":                          "nobody but the test sees it",
	"irql.NT_ASSERT":                          "looks at a value of the caller",
	"irql.NT_ASSERTMSG":                       "looks at a value of the caller",
	"irql.DbgBreakPoint":                      "ends the run",
	"irql.DbgBreakPointWithStatus":            "ends the run",
	"irql.KdBreakPoint":                       "ends the run",
	"irql.KdBreakPointWithStatus":             "ends the run",
	"irql.KeBugCheck":                         "ends the run",
	"irql.KeBugCheckEx":                       "ends the run",
	"irql.ExRaiseStatus":                      "unwinds the caller",
	"irql.ExRaiseAccessViolation":             "unwinds the caller",
	"irql.ExRaiseDatatypeMisalignment":        "unwinds the caller",
	"irql.ExGetPreviousMode":                  "fixed",
	"irql.KeMemoryBarrier":                    "accesses are in order anyway",
	"irp.RtlInitUnicodeString":                callers,
	"irp.RtlInitEmptyUnicodeString":           callers,
	"irp.RtlCopyUnicodeString":                callers,
	"irp.RtlAppendUnicodeToString":            callers,
	"irp.RtlAppendUnicodeStringToString":      callers,
	"irp.RtlCompareUnicodeString":             callers,
	"irp.RtlEqualUnicodeString":               callers,
	"irp.RtlPrefixUnicodeString":              callers,
	"irp.RtlUpcaseUnicodeChar":                callers,
	"irp.RtlDowncaseUnicodeChar":              callers,
	"irp.RtlIntegerToUnicodeString":           callers,
	"irp.RtlUnicodeStringToInteger":           callers,
	"irp.ExSizeOfRundownProtectionCacheAware": "fixed",
	"irql.ExGetCurrentResourceThread":         "fixed",
	"irql.KeLowerIrql":                        level + "; DPCs that it lets in leave footprints of their own",
	"irql.KeGetCurrentProcessorNumber":        "which one it is means nothing to drivers (scheduling.md 4.2)",
	"irql.KeQueryActiveProcessorCount":        "fixed",
	"irql.KeShouldYieldProcessor":             "fixed",
	"irql.KeQueryTimeIncrement":               "fixed",
	"irql.KeEnterCriticalRegion":              region,
	"irql.KeLeaveCriticalRegion":              region,
	"irql.KeEnterGuardedRegion":               region,
	"irql.KeLeaveGuardedRegion":               region,
	"irql.KeAreApcsDisabled":                  region,
	"irql.KeAreAllApcsDisabled":               region,
	"irql.KeGetCurrentThread":                 "fixed",
	"irql.PsGetCurrentThread":                 "fixed",
	"irql.PsGetCurrentThreadId":               "fixed",
	"irql.PsGetCurrentProcessId":              "fixed",
	"irql.PsGetProcessId":                     "fixed",
	"irql.PsGetThreadId":                      "fixed",
	"irql.PsGetThreadProcessId":               "fixed",
	"irql.PsIsSystemThread":                   "fixed",
	"irp.IoThreadToProcess":                   "fixed",
	"irp.IoGetCurrentProcess":                 "fixed",
}

// Reasons that several have.
const (
	creation = "makes something that nobody else knows; whether it fails is a choice (scheduling.md 9.4, New)"
	callers  = "memory of the caller; if others share it, what they agree on leaves footprints"
	level    = "the level is that of the running context"
	region   = "the counters are the thread's own; APCs leave footprints where they are queued"
)

// unrecorded finds the DDIs that leave no footprint, neither themselves nor through what they call.
func unrecorded(tr *tree) []problem {
	g := &calls{tr: tr, of: map[*types.Func][]*types.Func{}, known: map[*types.Func]bool{}}
	var problems []problem
	for _, p := range tr.typedPackages() {
		g.read(p)
	}
	for s := range tr.golang(ddiFiles) {
		p := tr.typesOf(s.dir())
		for _, d := range s.AST.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !isDDI(f.Name.Name) || !startsWithK(f.Type) {
				continue
			}
			if fn, _ := p.info.Defs[f.Name].(*types.Func); fn != nil && !g.records(fn) {
				problems = append(problems, tr.at(f.Pos(), "%s.%s: no footprint", s.dir(), f.Name.Name))
			}
		}
	}
	return problems
}

// isDDI reports whether a function is one of Windows, or stands for one in a dispatch table of WSK.
func isDDI(name string) bool {
	_, known := ddi.Lookup(name)
	return known || looksLikeDDI(name) || strings.HasPrefix(name, "wsk")
}

// calls is who calls whom, as far as it is written down: no functions in variables, no interfaces.
type calls struct {
	tr    *tree
	of    map[*types.Func][]*types.Func
	known map[*types.Func]bool
}

// read takes up what the functions of a package call or pass on.
func (g *calls) read(p *typed) {
	for _, s := range p.files {
		for _, d := range s.AST.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			fn, _ := p.info.Defs[f.Name].(*types.Func)
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					if to, ok := p.info.Uses[id].(*types.Func); ok && fn != nil {
						g.of[fn] = append(g.of[fn], to.Origin())
					}
				}
				return true
			})
		}
	}
}

// records reports whether fn leaves a footprint. What is below the packages of DDIs counts only by name: a
// violation leaves one, and every routine can report some.
func (g *calls) records(fn *types.Func) bool {
	if is, ok := g.known[fn]; ok {
		return is
	}
	g.known[fn] = false // a circle leads nowhere new
	for _, to := range g.of[fn] {
		if g.recorder(to) || to.Pkg() != nil && to.Pkg().Path() != module+"/internal/ke" && g.records(to) {
			g.known[fn] = true
			return true
		}
	}
	return false
}

func (g *calls) recorder(fn *types.Func) bool {
	if fn.Pkg() == nil || fn.Pkg().Path() != module+"/internal/ke" {
		return false
	}
	for _, name := range recorders {
		if fn.Name() == name {
			return true
		}
	}
	return false
}

func TestDDIsLeaveFootprints(t *testing.T) {
	problems := pureDDIs.excuse(unrecorded(thisModule(t)), nameOf)
	expectNone(t, "Every DDI leaves a footprint in the step that calls it (scheduling.md 9.4): ke.Point "+
		"before its effect, ke.Adds for what it touches besides. One that nobody can notice is listed as "+
		"pure, with the reason.",
		problems)
}

func TestDDIsLeaveFootprints_BadExamples(t *testing.T) {
	tr := newTree(map[string]string{
		"internal/ke/a.go": `package ke
			type K struct{}
			func Point(k *K, u int) {}
			func Adds(k *K, u int) {}
			func Report(k *K) { Adds(k, 0) }
			func Log(k *K) {}`,
		"irql/a.go": `package irql
			import "calloutsim/internal/ke"
			type K = ke.K
			type lock struct{}
			func (l *lock) take(k *K) { ke.Adds(k, 1) }
			func deep(k *K) { deeper(k) }
			func deeper(k *K) { new(lock).take(k) }
			func round(k *K) { round(k); ke.Log(k) }
			func generic[T any](k *K, v T) { ke.Point(k, 2) }
			func KeSetEvent(k *K) { ke.Point(k, 1) }
			func KeResetEvent(k *K) { deep(k) }
			func KeClearEvent(k *K) { generic(k, 1) }
			func KeReadStateEvent(k *K) { ke.Log(k) }
			func KePulseEvent(k *K) { ke.Report(k) }
			func KeFlushQueuedDpcs(k *K) { round(k) }
			func helper(k *K) {}`,
		"wsk/a.go": `package wsk
			import "calloutsim/irql"
			func wskSend(k *irql.K) { irql.KeResetEvent(k) }
			func wskReceive(k *irql.K) {}`,
	})
	expectSome(t, unrecorded(tr), "irql/a.go:13: irql.KeReadStateEvent", "irql/a.go:14: irql.KePulseEvent",
		"irql/a.go:15: irql.KeFlushQueuedDpcs", "wsk/a.go:4: wsk.wskReceive")
}
