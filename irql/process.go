package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// KPROCESS is a process object; PEPROCESS of Windows is a pointer to it. It can be waited for and is
// signalled when the last thread of the process has ended.
type KPROCESS struct {
	p    *ke.Process
	refs int
}

// Header gives the object as the mechanism sees it, for packages that model parts of the system.
func (p *KPROCESS) Header() *ke.Object { return &p.p.Object }

// Reference and Dereference count the references to the process object; the counts before the first and
// after the last one are 0.
func (p *KPROCESS) Reference() int { p.refs++; return p.refs }

// Dereference is the counterpart of Reference.
func (p *KPROCESS) Dereference() int { p.refs--; return p.refs }

// Image is the name of the process's program.
func (p *KPROCESS) Image() string { return p.p.Image }

// ProcessObject gives the object of a process, nil being the system's own. It is not a routine of Windows.
func (sim) ProcessObject(k *K, p *ke.Process) *KPROCESS {
	if p == nil {
		return state.Of(k).systemProcess(ke.Of(k))
	}
	o, ok := p.Data.(*KPROCESS)
	if !ok {
		o = &KPROCESS{p: p}
		p.Data = o
	}
	return o
}

// ProcessOf gives what is behind a process object, nil for NULL.
func (sim) ProcessOf(p *KPROCESS) *ke.Process {
	if p == nil {
		return nil
	}
	return p.p
}

func (s *machine) systemProcess(m *ke.Machine) *KPROCESS {
	if s.system == nil {
		p := &ke.Process{ID: m.CommonID(trace.Process), PID: ke.SystemPID, Image: "System"}
		p.Object = ke.Object{Kind: ke.ProcessObject, ID: p.ID}
		s.system = &KPROCESS{p: p, refs: 1}
	}
	return s.system
}

// PsLookupProcessByProcessId finds a process by its id and gives a reference to it. STATUS_INVALID_CID when
// there is none. A process that has ended is found as long as somebody refers to it.
//
// IRQL: <= APC_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntifs/nf-ntifs-pslookupprocessbyprocessid.
func PsLookupProcessByProcessId(k *K, processId HANDLE, process **KPROCESS) ntstatus.NTSTATUS {
	const d = ddi.PsLookupProcessByProcessId
	ke.Enter(k, d)
	ke.Point(k, ke.Unknown)
	found := findProcess(k, processId)
	if found == nil {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INVALID_CID))
		return ntstatus.STATUS_INVALID_CID
	}
	found.Reference()
	*process = found
	ke.CallStatus(k, d, found.p.ID, uint32(ntstatus.STATUS_SUCCESS))
	return ntstatus.STATUS_SUCCESS
}

func findProcess(k *K, id HANDLE) *KPROCESS {
	if id == ke.SystemPID {
		return Sim.ProcessObject(k, nil)
	}
	for _, p := range ke.Of(k).Processes() {
		if HANDLE(p.PID) != id {
			continue
		}
		// The id goes with the object (IMPL, reactos: ntoskrnl/ps/kill.c, PspDeleteProcess).
		if o := Sim.ProcessObject(k, p); p.Object.Signal == 0 || o.refs > 0 {
			return o
		}
	}
	return nil
}

// PsGetProcessId returns the id of a process.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetprocessid.
func PsGetProcessId(k *K, process *KPROCESS) HANDLE {
	ke.Enter(k, ddi.PsGetProcessId)
	return HANDLE(process.p.PID)
}

// PsLookupThreadByThreadId finds a thread by its id and gives a reference to it. STATUS_INVALID_CID when
// there is none.
//
// IRQL: <= APC_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001.
// Not modelled: threads that have ended and are still referred to.
// Reference: ntifs/nf-ntifs-pslookupthreadbythreadid.
func PsLookupThreadByThreadId(k *K, threadId HANDLE, thread **KTHREAD) ntstatus.NTSTATUS {
	const d = ddi.PsLookupThreadByThreadId
	ke.Enter(k, d)
	ke.Point(k, ke.Unknown)
	for _, t := range ke.Of(k).Threads() {
		if HANDLE(t.TID) == threadId {
			o := Sim.ThreadObject(t)
			o.Reference()
			*thread = o
			ke.CallStatus(k, d, t.ID, uint32(ntstatus.STATUS_SUCCESS))
			return ntstatus.STATUS_SUCCESS
		}
	}
	ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INVALID_CID))
	return ntstatus.STATUS_INVALID_CID
}

// PsGetThreadId returns the id of a thread.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetthreadid.
func PsGetThreadId(k *K, thread *KTHREAD) HANDLE {
	ke.Enter(k, ddi.PsGetThreadId)
	return HANDLE(thread.t.TID)
}

// PsGetThreadProcessId returns the id of the process that a thread belongs to.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetthreadprocessid.
func PsGetThreadProcessId(k *K, thread *KTHREAD) HANDLE {
	ke.Enter(k, ddi.PsGetThreadProcessId)
	return HANDLE(ke.PIDOf(thread.t.Process))
}

// PsIsSystemThread says whether a thread belongs to the system and not to a program.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntifs/nf-ntifs-psissystemthread.
func PsIsSystemThread(k *K, thread *KTHREAD) bool {
	ke.Enter(k, ddi.PsIsSystemThread)
	return thread.t.Process == nil
}

// PsIsThreadTerminating says whether a thread has been told to end, or has ended.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntifs/nf-ntifs-psisthreadterminating.
func PsIsThreadTerminating(k *K, thread *KTHREAD) bool {
	ke.Enter(k, ddi.PsIsThreadTerminating)
	ke.Point(k, ke.Reads(thread.t.ID))
	return thread.t.Ended() || ke.Ending(ke.KOf(thread.t))
}
