package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// PCREATE_PROCESS_NOTIFY_ROUTINE is told that a process begins, in the thread that creates it, or ends, in
// its last thread. It runs inside a critical region.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-007, LOCK-008, LOCK-019, UNLOAD-008, UNLOAD-012.
// Reference: ntddk/nc-ntddk-pcreate_process_notify_routine.
type PCREATE_PROCESS_NOTIFY_ROUTINE func(k *irql.K, parentId, processId irql.HANDLE, create bool)

// PCREATE_PROCESS_NOTIFY_ROUTINE_EX is told the same with more about a process that begins; createInfo is nil
// when it ends.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: createInfo is lent until the return.
// Rules: IRQL-007, LOCK-008, LOCK-019, UNLOAD-008, UNLOAD-012.
// Reference: ntddk/nc-ntddk-pcreate_process_notify_routine_ex.
type PCREATE_PROCESS_NOTIFY_ROUTINE_EX func(k *irql.K, process *irql.KPROCESS, processId irql.HANDLE,
	createInfo *PS_CREATE_NOTIFY_INFO)

// PS_CREATE_NOTIFY_INFO describes a process that begins. A routine that sets CreationStatus to a failure
// keeps the process from being created.
type PS_CREATE_NOTIFY_INFO struct {
	Size                  uint64
	FileOpenNameAvailable bool // a bit of Flags: ImageFileName is the name that was opened
	IsSubsystemProcess    bool // a bit of Flags; always false
	ParentProcessId       irql.HANDLE
	CreatingThreadId      irql.CLIENT_ID
	FileObject            *FILE_OBJECT // nil: the image is no file of the simulator
	ImageFileName         *UNICODE_STRING
	CommandLine           *UNICODE_STRING
	CreationStatus        ntstatus.NTSTATUS
}

// PSCREATEPROCESSNOTIFYTYPE says which processes PsSetCreateProcessNotifyRoutineEx2 is about.
type PSCREATEPROCESSNOTIFYTYPE int32

// PsCreateProcessNotifySubsystems are processes of all subsystems.
const PsCreateProcessNotifySubsystems PSCREATEPROCESSNOTIFYTYPE = 0

// PLOAD_IMAGE_NOTIFY_ROUTINE is told that an image is mapped: one of a process, in the process, or a driver,
// with the process id 0. It runs inside a critical region, before code of the image does.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the arguments are lent until the return.
// Rules: IRQL-007, LOCK-008, LOCK-019, UNLOAD-008, UNLOAD-012.
// Reference: ntddk/nc-ntddk-pload_image_notify_routine.
type PLOAD_IMAGE_NOTIFY_ROUTINE func(k *irql.K, fullImageName *UNICODE_STRING, processId irql.HANDLE,
	imageInfo *IMAGE_INFO)

// IMAGE_INFO describes an image. The first members are bits of Properties.
type IMAGE_INFO struct {
	ImageAddressingMode  uint32
	SystemModeImage      bool
	ImageMappedToAllPids bool
	ExtendedInfoPresent  bool
	ImageBase            uint64
	ImageSelector        uint32
	ImageSize            uint64
	ImageSectionNumber   uint32
}

// IMAGE_ADDRESSING_MODE_32BIT is the only value of ImageAddressingMode.
const IMAGE_ADDRESSING_MODE_32BIT = 3

// PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE is a flag of PsSetLoadImageNotifyRoutineEx.
const PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE uint64 = 1

var (
	siteProcessNotify = ke.Site{Name: "fault/PsSetCreateProcessNotifyRoutine", Alts: faultAlts,
		Spec: psSpec}
	siteProcessNotifyEx = ke.Site{Name: "fault/PsSetCreateProcessNotifyRoutineEx", Alts: faultAlts,
		Spec: psSpec}
	siteProcessNotifyEx2 = ke.Site{Name: "fault/PsSetCreateProcessNotifyRoutineEx2", Alts: faultAlts,
		Spec: psSpec}
	siteImageNotify   = ke.Site{Name: "fault/PsSetLoadImageNotifyRoutine", Alts: faultAlts, Spec: psSpec}
	siteImageNotifyEx = ke.Site{Name: "fault/PsSetLoadImageNotifyRoutineEx", Alts: faultAlts, Spec: psSpec}
)

const psSpec = "irp.md 19.2"

// PsSetCreateProcessNotifyRoutine adds a routine that is told of processes that begin and end, or removes it;
// then it waits until no call of the routine is under way.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the routine must be removed before the driver is unloaded, and not by itself.
// Rules: IRQL-001, LOCK-026, UNLOAD-008.
// Reference: ntddk/nf-ntddk-pssetcreateprocessnotifyroutine.
func PsSetCreateProcessNotifyRoutine(k *irql.K, notifyRoutine PCREATE_PROCESS_NOTIFY_ROUTINE,
	remove bool) ntstatus.NTSTATUS {
	n := &notifier{fn: codeOf(notifyRoutine), create: notifyRoutine}
	return setNotify(k, ddi.PsSetCreateProcessNotifyRoutine, &siteProcessNotify, processNotify, n, remove)
}

// PsSetCreateProcessNotifyRoutineEx is PsSetCreateProcessNotifyRoutine for a routine that is told more and
// may forbid the process.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: as PsSetCreateProcessNotifyRoutine.
// Rules: IRQL-001, LOCK-026, UNLOAD-008.
// Not modelled: STATUS_ACCESS_DENIED for images that are not signed as they must be.
// Reference: ntddk/nf-ntddk-pssetcreateprocessnotifyroutineex.
func PsSetCreateProcessNotifyRoutineEx(k *irql.K, notifyRoutine PCREATE_PROCESS_NOTIFY_ROUTINE_EX,
	remove bool) ntstatus.NTSTATUS {
	n := &notifier{fn: codeOf(notifyRoutine), createEx: notifyRoutine}
	return setNotify(k, ddi.PsSetCreateProcessNotifyRoutineEx, &siteProcessNotifyEx, processNotify, n, remove)
}

// PsSetCreateProcessNotifyRoutineEx2 is PsSetCreateProcessNotifyRoutineEx for the processes of all
// subsystems; notifyInformation is a PCREATE_PROCESS_NOTIFY_ROUTINE_EX.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: as PsSetCreateProcessNotifyRoutine.
// Rules: IRQL-001, LOCK-026, UNLOAD-008.
// Not modelled: processes of other subsystems.
// Reference: ntddk/nf-ntddk-pssetcreateprocessnotifyroutineex2.
func PsSetCreateProcessNotifyRoutineEx2(k *irql.K, notifyType PSCREATEPROCESSNOTIFYTYPE,
	notifyInformation any, remove bool) ntstatus.NTSTATUS {
	const d = ddi.PsSetCreateProcessNotifyRoutineEx2
	routine, ok := asCreateNotifyEx(notifyInformation)
	if !ok {
		panic(ke.Misuse("PsSetCreateProcessNotifyRoutineEx2: notifyInformation is no " +
			"PCREATE_PROCESS_NOTIFY_ROUTINE_EX"))
	}
	n := &notifier{fn: codeOf(routine), createEx: routine}
	return setNotify(k, d, &siteProcessNotifyEx2, processNotify, n, remove)
}

// asCreateNotifyEx takes the routine with its type or as a plain function.
func asCreateNotifyEx(v any) (PCREATE_PROCESS_NOTIFY_ROUTINE_EX, bool) {
	switch fn := v.(type) {
	case nil: // NULL, as with the other routines
		return nil, true
	case PCREATE_PROCESS_NOTIFY_ROUTINE_EX:
		return fn, true
	case func(*irql.K, *irql.KPROCESS, irql.HANDLE, *PS_CREATE_NOTIFY_INFO):
		return fn, true
	}
	return nil, false
}

// PsSetLoadImageNotifyRoutine adds a routine that is told of images that are mapped.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the routine must be removed before the driver is unloaded.
// Rules: IRQL-001, UNLOAD-008.
// Reference: ntddk/nf-ntddk-pssetloadimagenotifyroutine.
func PsSetLoadImageNotifyRoutine(k *irql.K, notifyRoutine PLOAD_IMAGE_NOTIFY_ROUTINE) ntstatus.NTSTATUS {
	n := &notifier{fn: codeOf(notifyRoutine), load: notifyRoutine}
	return setNotify(k, ddi.PsSetLoadImageNotifyRoutine, &siteImageNotify, imageNotify, n, false)
}

// PsSetLoadImageNotifyRoutineEx is PsSetLoadImageNotifyRoutine with flags.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: as PsSetLoadImageNotifyRoutine.
// Rules: IRQL-001, UNLOAD-008.
// Not modelled: images of other architectures.
// Reference: ntddk/nf-ntddk-pssetloadimagenotifyroutineex.
func PsSetLoadImageNotifyRoutineEx(k *irql.K, notifyRoutine PLOAD_IMAGE_NOTIFY_ROUTINE,
	flags uint64) ntstatus.NTSTATUS {
	const d = ddi.PsSetLoadImageNotifyRoutineEx
	if flags&^PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE != 0 {
		ke.Enter(k, d)
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INVALID_PARAMETER_2))
		return ntstatus.STATUS_INVALID_PARAMETER_2
	}
	n := &notifier{fn: codeOf(notifyRoutine), load: notifyRoutine}
	return setNotify(k, d, &siteImageNotifyEx, imageNotify, n, false)
}

// PsRemoveLoadImageNotifyRoutine removes a routine and waits until no call of it is under way.
//
// IRQL: <= APC_LEVEL.
// Ownership: the routine is not called any more.
// Rules: IRQL-001, LOCK-026.
// Reference: ntddk/nf-ntddk-psremoveloadimagenotifyroutine.
func PsRemoveLoadImageNotifyRoutine(k *irql.K, notifyRoutine PLOAD_IMAGE_NOTIFY_ROUTINE) ntstatus.NTSTATUS {
	n := &notifier{fn: codeOf(notifyRoutine), load: notifyRoutine}
	return setNotify(k, ddi.PsRemoveLoadImageNotifyRoutine, nil, imageNotify, n, true)
}
