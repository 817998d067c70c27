package ke

import (
	"fmt"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/verify"
)

// Enter is the first statement of every DDI: it checks that k is the context that runs now and that its IRQL
// is one the table allows. Rules: IRQL-001, IRQL-002.
func Enter(k *K, d ddi.ID) {
	if k == nil || k.m.cur != k || k.owes || k.m.isForeign() {
		wrongContext(k, d)
	}
	k.enters()
	if k.irql > ddi.MaxIRQL(d) || k.irql < ddi.MinIRQL(d) {
		irqlWrong(k, d)
	}
}

// EnterAnyLevel is Enter for a DDI whose limits have a rule more specific than IRQL-001 and IRQL-002.
func EnterAnyLevel(k *K, d ddi.ID) {
	if k == nil || k.m.cur != k || k.owes || k.m.isForeign() {
		wrongContext(k, d)
	}
	k.enters()
}

func wrongContext(k *K, d ddi.ID) {
	if k == nil {
		panic(Misuse(d.String() + " called with a nil K: pass the k that the callback received"))
	}
	if k.owes && k.m.cur == k {
		if d != ddi.None { // what only looks at memory is no call
			breaks(k, d.String()+" is called")
		}
		return
	}
	if k.m.dead && (k.m.running || k.m.killing) || k.t.exiting {
		k.m.die()
	}
	k.m.stranger(k, d)
	if k.m.cur == k {
		return // a coroutine that the driver has made itself runs for the context
	}
	if k.m.cur == nil {
		panic(Misuse(fmt.Sprintf("%v called with the K of %q outside of the run: a K is valid only inside "+
			"its callback", d, k.name)))
	}
	panic(Misuse(fmt.Sprintf("K of %q used inside %q (%v): every callback must use the k it received", k.name,
		k.m.cur.name, d)))
}

func irqlWrong(k *K, d ddi.ID) {
	f := verify.Finding{Rule: verify.IRQL_001, AllowedIRQL: ddi.MaxIRQL(d)}
	word := "at most"
	if k.irql < ddi.MinIRQL(d) {
		f.Rule, f.AllowedIRQL, word = verify.IRQL_002, ddi.MinIRQL(d), "at least"
	}
	f.Headline = fmt.Sprintf("%v called at %s, allowed is %s %s", d, LevelName(k.irql), word,
		LevelName(f.AllowedIRQL))
	f.Args = verify.Params(nil, k.irql, d)
	f.Obj = d.String()
	if f.Rule == verify.IRQL_001 && fileRoutine(d) {
		fileAbovePassive(k, d, &f)
	}
	if f.Rule == verify.IRQL_001 && k.irql == Dispatch && f.AllowedIRQL == Passive {
		f.Case = "for PASSIVE_LEVEL"
	}
	Report(k, f)
}

// breaks reports IRQL-013: k promised a wait and does something else.
func breaks(k *K, next string) {
	k.owes = false
	by := k.promisedBy.String()
	Report(k, verify.Finding{Rule: verify.IRQL_013, Obj: by, AllowedIRQL: verify.AnyIRQL,
		Headline: by + " with Wait = TRUE, and instead of a wait " + next})
}

// fileRoutine reports whether d is one of the system services or file routines that IRQL-015 speaks of.
func fileRoutine(d ddi.ID) bool {
	name := d.String()
	return strings.HasPrefix(name, "Zw") || strings.HasPrefix(name, "Nt") ||
		strings.HasPrefix(name, "IoCreateFile")
}

// fileAbovePassive makes IRQL-015 of an IRQL-001.
func fileAbovePassive(k *K, d ddi.ID, f *verify.Finding) {
	f.Rule, f.Also = verify.IRQL_015, []verify.RuleID{verify.IRQL_001}
	f.Args = verify.Params(nil, d, LevelName(k.irql), apcWord(k.kernelAPC, k.specialAPC))
}
