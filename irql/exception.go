package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
)

// ExRaiseStatus raises an exception with a status: here a panic with an Exception, which a driver catches
// with recover in place of __except.
//
// IRQL: <= APC_LEVEL.
// Ownership: it does not return.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: wdm/nf-wdm-exraisestatus.
func ExRaiseStatus(k *K, status ntstatus.NTSTATUS) { raiseException(k, ddi.ExRaiseStatus, status) }

// ExRaiseAccessViolation is ExRaiseStatus with STATUS_ACCESS_VIOLATION.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: it does not return.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-exraiseaccessviolation.
func ExRaiseAccessViolation(k *K) {
	raiseException(k, ddi.ExRaiseAccessViolation, ntstatus.STATUS_ACCESS_VIOLATION)
}

// ExRaiseDatatypeMisalignment is ExRaiseStatus with STATUS_DATATYPE_MISALIGNMENT.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: it does not return.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-exraisedatatypemisalignment.
func ExRaiseDatatypeMisalignment(k *K) {
	raiseException(k, ddi.ExRaiseDatatypeMisalignment, ntstatus.STATUS_DATATYPE_MISALIGNMENT)
}

func raiseException(k *K, d ddi.ID, status ntstatus.NTSTATUS) {
	ke.Enter(k, d)
	ke.CallStatus(k, d, 0, uint32(status))
	panic(Exception{status, d.String()})
}

// Exception is the panic value that stands for a status raised with ExRaiseStatus. A driver catches it as C
// catches an exception: with recover in place of __except.
type Exception struct {
	Status  ntstatus.NTSTATUS
	Routine string // the routine that raised
}

// Error says what was raised by whom.
func (e Exception) Error() string { return e.Routine + " raised " + e.Status.String() }
