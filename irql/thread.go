package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// KSTART_ROUTINE is the routine of a system thread.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the thread object stays until the last reference to it is gone.
// Rules: IRQL-007, IRQL-020, LOCK-008, LOCK-015.
// Not modelled: none.
// Reference: wdm/nc-wdm-kstart_routine.
type KSTART_ROUTINE func(k *K, startContext any)

// CLIENT_ID names a thread and its process.
type CLIENT_ID struct{ UniqueProcess, UniqueThread HANDLE }

// THREAD_ALL_ACCESS is the access right that drivers ask for.
const THREAD_ALL_ACCESS = 0x1FFFFF

// KTHREAD is a thread object; PETHREAD and PKTHREAD of Windows are both pointers to it. It can be waited
// for and is signalled when the thread has ended.
type KTHREAD struct {
	t        *ke.Thread
	image    *ke.Image
	madeSeq  uint64
	refs     int
	system   bool // made by PsCreateSystemThread
	critical int  // critical regions the thread is in
	guarded  int
	exit     ntstatus.NTSTATUS
}

// Header gives the object as the mechanism sees it, for packages that model parts of the system.
func (t *KTHREAD) Header() *ke.Object { return &t.t.Object }

// Thread gives the thread as the mechanism sees it.
func (t *KTHREAD) Thread() *ke.Thread { return t.t }

// Reference and Dereference count the references to the thread object; the counts before the first and
// after the last one are 0.
func (t *KTHREAD) Reference() int { t.refs++; return t.refs }

// Dereference is the counterpart of Reference.
func (t *KTHREAD) Dereference() int { t.refs--; return t.refs }

// threadOf is the thread object of the thread k runs on.
func threadOf(k *K) *KTHREAD { return Sim.ThreadObject(ke.ThreadOf(k)) }

// caller says in a report who claims a lock that somebody else owns, or nobody.
func caller(k *K) string {
	if ke.IsDPC(k) {
		return "a DPC, which owns nothing of the thread it interrupted,"
	}
	return "a thread"
}

// ThreadObject gives the object of a thread. It is not a routine of Windows.
func (sim) ThreadObject(t *ke.Thread) *KTHREAD {
	if kt, ok := t.Data.(*KTHREAD); ok {
		return kt
	}
	kt := &KTHREAD{t: t, refs: 1}
	t.Data = kt
	return kt
}

var siteThread = ke.Site{Name: "fault/PsCreateSystemThread", Alts: []string{"succeeds", "fails"},
	Spec: "irp.md 19.2"}

// PsCreateSystemThread starts a thread of the system process and gives a handle to it. The thread starts
// inside one critical region and ends when its routine returns or calls PsTerminateSystemThread.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller closes the handle; the routine must have ended before the driver is unloaded.
// Returns: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: IRQL-001, LOCK-008, LOCK-015, IRQL-007, IRQL-020.
// Not modelled: threads of other processes, objectAttributes.
// Reference: wdm/nf-wdm-pscreatesystemthread.
func PsCreateSystemThread(k *K, threadHandle *HANDLE, desiredAccess uint32, objectAttributes any,
	processHandle HANDLE, clientId *CLIENT_ID, startRoutine KSTART_ROUTINE,
	startContext any) ntstatus.NTSTATUS {
	const d = ddi.PsCreateSystemThread
	ke.Enter(k, d)
	if startRoutine == nil {
		ke.Null(k, d, "NULL for StartRoutine: the thread would begin at address 0")
	}
	if ke.Fails(k, &siteThread) {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	m := ke.Of(k)
	t := &KTHREAD{image: ke.Acting(k), refs: 2, system: true, critical: 1}
	fn := ke.CodeOf(startRoutine)
	name := fmt.Sprintf("system thread %s", ke.FuncName(fn))
	t.t = m.NewThread(name, nil, func(k *K) {
		ke.ChangeAPCState(k, -1, 0)
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: t.image, Object: t, Obj: t.t.ID, Fn: fn})
		ke.Point(k, ke.Here(k))
		startRoutine(k, startContext)
		ke.Pop(k)
	})
	t.t.Data = t
	s := state.Of(k)
	s.threads = append(s.threads, t)
	*threadHandle = s.handles.Open(k, t)
	if clientId != nil {
		*clientId = CLIENT_ID{ke.SystemPID, HANDLE(t.t.TID)}
	}
	t.madeSeq = ke.CallStatus(k, d, t.t.ID, uint32(ntstatus.STATUS_SUCCESS))
	ke.Point(k, ke.Here(k))
	return ntstatus.STATUS_SUCCESS
}

// PsTerminateSystemThread ends the calling thread, which PsCreateSystemThread made. It returns only when it
// fails.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Returns: not at all in a system thread; STATUS_INVALID_PARAMETER in another one.
// Rules: IRQL-001, IRQL-020, LOCK-008, LOCK-015, OBJ-010.
// Not modelled: none.
// Reference: wdm/nf-wdm-psterminatesystemthread.
func PsTerminateSystemThread(k *K, exitStatus ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	const d = ddi.PsTerminateSystemThread
	ke.Enter(k, d)
	t := threadOf(k)
	if ke.IsDPC(k) {
		ke.BugCheck(k, verify.Finding{Rule: verify.OBJ_010, Case: "in a DPC", Obj: t.t.ID.String(),
			Headline: "PsTerminateSystemThread in a DPC: the thread is whichever it interrupted"})
	}
	if ke.IsWorker(k) {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_010, Case: "in a work item", Obj: t.t.ID.String(),
			Headline: "PsTerminateSystemThread in a work item: the thread belongs to the system"})
	}
	if !t.system {
		ke.CallStatus(k, d, t.t.ID, uint32(ntstatus.STATUS_INVALID_PARAMETER))
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	t.exit = exitStatus
	ke.CallStatus(k, d, t.t.ID, uint32(exitStatus))
	ke.ExitThread(k)
	return exitStatus
}

// KeGetCurrentThread returns the thread the caller runs on; in a DPC that is the one it interrupted.
//
// IRQL: any.
// Ownership: the object is not referenced.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-kegetcurrentthread.
func KeGetCurrentThread(k *K) *KTHREAD {
	ke.Enter(k, ddi.KeGetCurrentThread)
	return threadOf(k)
}

// PsGetCurrentThread is KeGetCurrentThread: KTHREAD and ETHREAD are one type here.
//
// IRQL: any.
// Ownership: the object is not referenced.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetcurrentthread.
func PsGetCurrentThread(k *K) *KTHREAD {
	ke.Enter(k, ddi.PsGetCurrentThread)
	return threadOf(k)
}

// PsGetCurrentThreadId returns the id of the thread the caller runs on.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetcurrentthreadid.
func PsGetCurrentThreadId(k *K) HANDLE {
	ke.Enter(k, ddi.PsGetCurrentThreadId)
	return HANDLE(ke.ThreadOf(k).TID)
}

// PsGetCurrentProcessId returns the id of the process that the caller's thread belongs to.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetcurrentprocessid.
func PsGetCurrentProcessId(k *K) HANDLE {
	ke.Enter(k, ddi.PsGetCurrentProcessId)
	return HANDLE(ke.PIDOf(ke.ThreadOf(k).Process))
}

// PsGetThreadExitStatus returns what a thread ended with, STATUS_PENDING while it runs.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-psgetthreadexitstatus.
func PsGetThreadExitStatus(k *K, thread *KTHREAD) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.PsGetThreadExitStatus)
	ke.Point(k, ke.Reads(thread.t.ID))
	if !thread.t.Ended() {
		return ntstatus.STATUS_PENDING
	}
	return thread.exit
}

// Leftover is something of a driver that is still alive: a timer that is set, a DPC that is queued or
// running, a resource that was not deleted, a system thread that runs.
type Leftover struct {
	Kind  trace.Kind // trace.Timer, trace.DPC, trace.Thread or trace.Resource
	ID    trace.ID
	State string // "is set", "is queued", "is running"
	Seq   uint64 // event that made it so
}

// Leftovers lists what a driver has left behind, for the checks made when its unload routine has returned.
func (sim) Leftovers(m *ke.Machine, img *ke.Image) []Leftover {
	var left []Leftover
	s := state.On(m)
	for _, t := range s.timers {
		if t.image == img && t.goneRule == verify.NoRule && t.t.Armed() {
			left = append(left, Leftover{trace.Timer, t.id, "is set", t.setSeq})
		}
	}
	for _, d := range s.dpcs {
		if busy := d.Busy(); d.image == img && busy != "" {
			left = append(left, Leftover{trace.DPC, d.id, busy, d.queuedSeq})
		}
	}
	for _, t := range s.exTimers {
		if t.image == img && t.busy() {
			left = append(left, Leftover{trace.Timer, t.id, "is set, or its callback is due", t.setSeq})
		}
	}
	for _, r := range s.resources {
		if r.image == img && r.listed && r.goneRule == verify.NoRule {
			left = append(left, Leftover{trace.Resource, r.id, "is not deleted", r.initSeq})
		}
	}
	for _, t := range s.threads {
		if t.image == img && !t.t.Ended() {
			left = append(left, Leftover{trace.Thread, t.t.ID, "is running", t.madeSeq})
		}
	}
	return left
}
