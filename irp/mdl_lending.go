package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// notLent reports that an MDL is taken down while an operation uses it.
func (mdl *MDL) notLent(k *irql.K, d ddi.ID) {
	if len(mdl.lent) == 0 {
		return
	}
	mdl.inUse(k, &mdl.lent[0].Loan, fmt.Sprintf("%v of %v while it is in use", d, mdl.id))
}

// hasPages reports whether the pages of a built MDL are still there: those of a partial one are until its
// root is unlocked, also if the root is locked again later.
func (mdl *MDL) hasPages() bool {
	if mdl.flags&MDL_PARTIAL == 0 {
		return mdl.flags&mdlBuilt != 0
	}
	r := mdl.root
	r.uses(ke.R)
	if r.flags&MDL_SOURCE_IS_NONPAGED_POOL != 0 {
		return true
	}
	return r.flags&MDL_PAGES_LOCKED != 0 && r.locks == mdl.rootLock
}

// lostPages reports MDL-008 for a partial MDL that is mapped after its root was unlocked.
func (mdl *MDL) lostPages(k *irql.K, d ddi.ID) {
	f := mdl.c4(verify.MDL_008, "source unlocked",
		fmt.Sprintf("%v: %v is a part of %v, whose pages are not locked any more", d, mdl.id, mdl.root.id))
	if mdl.root.unlockSeq != 0 {
		f.Places = []verify.Place{{Label: "SOURCE_UNLOCKED", Seq: mdl.root.unlockSeq}}
	}
	mdl.report(k, f)
}

// unlocked tells the parts of mdl that its pages are let go: what was mapped of them must not be touched any
// more.
func (mdl *MDL) unlocked(seq uint64) {
	mdl.unlockSeq = seq
	for _, part := range mdl.mappedParts {
		part.alias.Ended, part.alias.Unlocked = seq, true
	}
}

// forgetPart is called when the mapping of a part ends.
func (mdl *MDL) forgetPart(part *MDL) {
	for i, p := range mdl.mappedParts {
		if p == part {
			mdl.mappedParts = list.Cut(mdl.mappedParts, i)
			return
		}
	}
}

// pagesNotLent reports that the pages of mdl are let go while an operation uses a part of them.
func (mdl *MDL) pagesNotLent(k *irql.K, act string) {
	if len(mdl.lentParts) > 0 {
		l := &mdl.lentParts[0]
		mdl.inUse(k, &l.Loan,
			fmt.Sprintf("%s of %v while %v, a part of it, is in use", act, mdl.id, l.part.id))
	}
}

// inUse reports what is done to an MDL that was lent.
func (mdl *MDL) inUse(k *irql.K, l *pool.Loan, headline string) {
	f := verify.Finding{Rule: l.Rule, BugCheck: l.BugCheck, Fix: l.Fix,
		Headline: fmt.Sprintf("%s: %s (%v)", headline, l.What, l.Owner),
		Places:   []verify.Place{{Label: "LENT", Seq: l.Seq}}}
	if f.Rule == verify.NoRule {
		f.Rule = verify.POOL_025
	} else {
		f.Also = []verify.RuleID{verify.POOL_025, verify.MDL_018}
	}
	mdl.report(k, f)
}

// notReserved reports a mapping at reserved addresses that routine d is about to end: it would give the
// addresses to others (INFERRED: it frees what it takes for a mapping of its own making).
func (mdl *MDL) notReserved(k *irql.K, d ddi.ID) {
	if r := mdl.reserved; r != nil {
		r.wrong(k, verify.MDL_009, d, "0x301", fmt.Sprintf("%v is mapped in %s", mdl.id, r.name()),
			"mapped at reserved addresses")
	}
}

// name is how reports call the range.
func (r *reservation) name() string { return fmt.Sprintf("the addresses reserved as %v", r.id) }

// wrong reports a misuse of reserved addresses: bug check 0xDA with the parameter of the page on it.
func (r *reservation) wrong(k *irql.K, rule verify.RuleID, d ddi.ID, sub, what, cause string) {
	f := verify.Finding{Rule: rule, Case: cause, Obj: d.String(), Args: verify.Params(sub),
		Headline: fmt.Sprintf("%v: %s", d, what)}
	if r != nil {
		f.Obj = r.id.String()
		f.Args[1].Value = fmt.Sprintf("%#x", r.addr)
		f.Places = []verify.Place{{Label: "RESERVED", Seq: r.seq}}
	}
	ke.Report(k, f)
}
