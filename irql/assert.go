package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Kinds of findings that drivers themselves ask for; no catalogue has numbers for them.
const (
	FailedAssertion = "failed assertion"
	BreakPoint      = "break point"
	BugCheck        = "bug check"
)

// NT_ASSERT states that exp is true. In runs of checked builds (Options.Checked) a false one is a finding; in
// others the statement does nothing, although Go, unlike C, evaluates exp.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: the answers of a debugger.
// Reference: none; a macro of wdm.h
func NT_ASSERT(k *K, exp bool) { assertion(k, ddi.NT_ASSERT, "", exp) }

// NT_ASSERTMSG is NT_ASSERT with a text for the finding.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: the answers of a debugger.
// Reference: none; a macro of wdm.h
func NT_ASSERTMSG(k *K, msg string, exp bool) { assertion(k, ddi.NT_ASSERTMSG, msg, exp) }

func assertion(k *K, d ddi.ID, msg string, exp bool) {
	ke.Enter(k, d)
	if exp || !ke.Of(k).Config().Checked {
		return
	}
	f := verify.Finding{Kind: FailedAssertion, Obj: d.String(), BugCheck: 0x1E, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%v: what the driver asserts is false", d),
		Text: "In a checked build the assertion raises STATUS_ASSERTION_FAILURE: the machine stops in the " +
			"debugger, or with a bug check where none is attached.",
		Args: [4]verify.Arg{{Value: "0xC0000420", Meaning: "STATUS_ASSERTION_FAILURE"}}}
	if msg != "" {
		f.Headline += ": " + msg
	}
	ke.Report(k, f)
}
