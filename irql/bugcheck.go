package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// KeBugCheck is KeBugCheckEx with four zeros.
//
// IRQL: any.
// Ownership: it does not return.
// Rules: none.
// Not modelled: bug check callbacks.
// Reference: ntddk/nf-ntddk-kebugcheck.
func KeBugCheck(k *K, bugCheckCode uint32) {
	ke.Enter(k, ddi.KeBugCheck)
	bugCheck(k, ddi.KeBugCheck, bugCheckCode, [4]uint64{})
}

// KeBugCheckEx stops the machine: the run ends with a finding that names the code, also where runs continue
// after violations.
//
// IRQL: any.
// Ownership: it does not return.
// Rules: none.
// Not modelled: bug check callbacks.
// Reference: wdm/nf-wdm-kebugcheckex.
func KeBugCheckEx(k *K, bugCheckCode uint32, bugCheckParameter1, bugCheckParameter2, bugCheckParameter3,
	bugCheckParameter4 uint64) {
	ke.Enter(k, ddi.KeBugCheckEx)
	bugCheck(k, ddi.KeBugCheckEx, bugCheckCode, [4]uint64{bugCheckParameter1, bugCheckParameter2,
		bugCheckParameter3, bugCheckParameter4})
}

func bugCheck(k *K, d ddi.ID, code uint32, params [4]uint64) {
	f := verify.Finding{Kind: BugCheck, Obj: d.String(), BugCheck: code, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%v: the driver stops the machine with 0x%X", d, code),
		Text:     "The driver has found a state from which it cannot go on, and says so."}
	if name := verify.BugCheckName(code); name != "" {
		f.Headline += " (" + name + ")"
	}
	for i, p := range params {
		f.Args[i] = verify.Arg{Value: fmt.Sprintf("%#x", p), Meaning: "as the driver gave it"}
	}
	ke.Stop(k, f)
}
