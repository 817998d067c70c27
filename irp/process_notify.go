package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
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
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a routine that is registered already, for one too
// many, and when memory is short; STATUS_PROCEDURE_NOT_FOUND for one to be removed that is not registered.
// Rules: IRQL-001, LOCK-026, UNLOAD-008.
// Reference: ntddk/nf-ntddk-pssetcreateprocessnotifyroutine.
func PsSetCreateProcessNotifyRoutine(k *irql.K, notifyRoutine PCREATE_PROCESS_NOTIFY_ROUTINE,
	remove bool) ntstatus.NTSTATUS {
	n := &notifier{fn: ke.CodeOf(notifyRoutine), create: notifyRoutine}
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
	n := &notifier{fn: ke.CodeOf(notifyRoutine), createEx: notifyRoutine}
	return setNotify(k, ddi.PsSetCreateProcessNotifyRoutineEx, &siteProcessNotifyEx, processNotify, n, remove)
}

// PsSetCreateProcessNotifyRoutineEx2 is PsSetCreateProcessNotifyRoutineEx for the processes of all
// subsystems; notifyInformation is a PCREATE_PROCESS_NOTIFY_ROUTINE_EX.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: as PsSetCreateProcessNotifyRoutine.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a routine that is registered already, for one too
// many, and when memory is short; STATUS_PROCEDURE_NOT_FOUND for one to be removed that is not registered.
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
	n := &notifier{fn: ke.CodeOf(routine), createEx: routine}
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
// Returns: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES for one too many, and when memory is short.
// Rules: IRQL-001, UNLOAD-008.
// Reference: ntddk/nf-ntddk-pssetloadimagenotifyroutine.
func PsSetLoadImageNotifyRoutine(k *irql.K, notifyRoutine PLOAD_IMAGE_NOTIFY_ROUTINE) ntstatus.NTSTATUS {
	n := &notifier{fn: ke.CodeOf(notifyRoutine), load: notifyRoutine}
	return setNotify(k, ddi.PsSetLoadImageNotifyRoutine, &siteImageNotify, imageNotify, n, false)
}

// PsSetLoadImageNotifyRoutineEx is PsSetLoadImageNotifyRoutine with flags.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: as PsSetLoadImageNotifyRoutine.
// Returns: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES for one too many, and when memory is short;
// STATUS_INVALID_PARAMETER_2 for flags that do not exist.
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
	n := &notifier{fn: ke.CodeOf(notifyRoutine), load: notifyRoutine}
	return setNotify(k, d, &siteImageNotifyEx, imageNotify, n, false)
}

// PsRemoveLoadImageNotifyRoutine removes a routine and waits until no call of it is under way.
//
// IRQL: <= APC_LEVEL.
// Ownership: the routine is not called any more.
// Returns: STATUS_SUCCESS; STATUS_PROCEDURE_NOT_FOUND for a routine that is not registered.
// Rules: IRQL-001, LOCK-026.
// Reference: ntddk/nf-ntddk-psremoveloadimagenotifyroutine.
func PsRemoveLoadImageNotifyRoutine(k *irql.K, notifyRoutine PLOAD_IMAGE_NOTIFY_ROUTINE) ntstatus.NTSTATUS {
	n := &notifier{fn: ke.CodeOf(notifyRoutine), load: notifyRoutine}
	return setNotify(k, ddi.PsRemoveLoadImageNotifyRoutine, nil, imageNotify, n, true)
}

// notifyKind says what a notify routine is told of.
type notifyKind uint8

const (
	processNotify notifyKind = iota
	imageNotify
	notifyKinds
)

// table names the list of routines of a kind in footprints.
func (n notifyKind) table() trace.ID {
	return ke.Table(trace.Registration, 2+uint64(n))
}

// maxNotifiers is the limit of routines of each kind (W:nf-ntddk-pssetcreateprocessnotifyroutine).
const maxNotifiers = 64

// notifier is one routine that is told of processes or images.
//
// Invariant: a routine that was removed is not called again, and its removal has not returned while running
// is not 0.
type notifier struct {
	id       trace.ID
	fn       uintptr
	image    *ke.Image
	create   PCREATE_PROCESS_NOTIFY_ROUTINE
	createEx PCREATE_PROCESS_NOTIFY_ROUTINE_EX
	load     PLOAD_IMAGE_NOTIFY_ROUTINE
	running  int
	removed  bool
	idle     ke.Object // signalled when it was removed and no call is under way
	seq      uint64
}

// same reports whether two are one routine of one driver.
func (n *notifier) same(o *notifier) bool {
	return n.fn == o.fn && n.image == o.image && (n.createEx == nil) == (o.createEx == nil)
}

// notifiers are the routines of a machine, in slots that are filled from the front.
type notifiers struct {
	slots [notifyKinds][]*notifier
	check func(m *ke.Machine, img *ke.Image)
}

var notifyState = ke.NewReusedSlot(newNotifiers, func(m *ke.Machine, s *notifiers) {
	for kind := range s.slots {
		s.slots[kind] = list.Empty(s.slots[kind])
	}
	m.AtUnload(s.check)
})

func newNotifiers(m *ke.Machine) *notifiers {
	s := &notifiers{}
	s.check = s.checkUnload
	return s
}

// setNotify adds or removes a routine.
func setNotify(k *irql.K, d ddi.ID, site *ke.Site, kind notifyKind, n *notifier,
	remove bool) ntstatus.NTSTATUS {
	ke.Enter(k, d)
	n.image = ke.Acting(k)
	s := notifyState.Of(k)
	ke.Point(k, ke.Writes(kind.table()))
	if remove {
		return s.remove(k, d, kind, n)
	}
	status := s.full(k, site, kind, n)
	if ntstatus.NT_SUCCESS(status) {
		n.id = ke.Of(k).NewID(trace.Registration)
		n.idle = ke.Object{Kind: ke.NotificationEvent, ID: n.id}
		s.put(kind, n)
		role := "PCREATE_PROCESS_NOTIFY_ROUTINE"
		if kind == imageNotify {
			role = "PLOAD_IMAGE_NOTIFY_ROUTINE"
		}
		ke.Gives(k, role, n.fn)
	}
	n.seq = ke.CallStatus(k, d, n.id, uint32(status))
	return status
}

// full says why a routine cannot be added. The pages give one status for a process routine that is there
// already and for too many, and another one for too many image routines.
func (s *notifiers) full(k *irql.K, site *ke.Site, kind notifyKind, n *notifier) ntstatus.NTSTATUS {
	count, again := 0, false
	for _, o := range s.slots[kind] {
		if o != nil {
			count++
			again = again || o.same(n)
		}
	}
	switch {
	case ke.Fails(k, site) || count >= maxNotifiers:
		if kind == imageNotify {
			return ntstatus.STATUS_INSUFFICIENT_RESOURCES
		}
		return ntstatus.STATUS_INVALID_PARAMETER
	case again && kind == processNotify:
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	return ntstatus.STATUS_SUCCESS
}

func (s *notifiers) put(kind notifyKind, n *notifier) {
	for i, o := range s.slots[kind] {
		if o == nil {
			s.slots[kind][i] = n
			return
		}
	}
	s.slots[kind] = append(s.slots[kind], n)
}

// remove takes a routine out and waits for the calls under way, as the page of
// PsSetCreateProcessNotifyRoutineEx says. STATUS_PROCEDURE_NOT_FOUND is what the page of
// PsRemoveLoadImageNotifyRoutine gives; that the routines for processes give it, too, is INFERRED from an
// independent implementation.
func (s *notifiers) remove(k *irql.K, d ddi.ID, kind notifyKind, like *notifier) ntstatus.NTSTATUS {
	for i, n := range s.slots[kind] {
		if n == nil || !n.same(like) {
			continue
		}
		s.slots[kind][i] = nil
		n.removed = true
		ke.Adds(k, ke.Swaps(n.id))
		ke.CallStatus(k, d, n.id, uint32(ntstatus.STATUS_SUCCESS))
		if n.running > 0 {
			objs := [1]*ke.Object{&n.idle}
			ke.Wait(k, objs[:], false, nil, d.String())
		}
		return ntstatus.STATUS_SUCCESS
	}
	ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_PROCEDURE_NOT_FOUND))
	return ntstatus.STATUS_PROCEDURE_NOT_FOUND
}

// each calls the routines of a kind one after the other, each inside a critical region and with its driver's
// frame. Whoever is added meanwhile is called, too, if its slot is still to come.
func (s *notifiers) each(k *irql.K, kind notifyKind, call func(n *notifier)) {
	for i := 0; ; i++ {
		ke.Adds(k, ke.Reads(kind.table()))
		if i >= len(s.slots[kind]) {
			return
		}
		ke.Point(k, ke.Reads(kind.table()))
		n := s.slots[kind][i]
		if n == nil {
			continue
		}
		ke.Adds(k, ke.Swaps(n.id))
		n.running++
		ke.ChangeAPCState(k, -1, 0)
		ke.Push(k, ke.Frame{Kind: ke.FrameCallback, Image: n.image, Obj: n.id, Fn: n.fn})
		ke.Point(k, ke.Here(k))
		call(n)
		ke.Pop(k)
		ke.ChangeAPCState(k, 1, 0)
		ke.Point(k, ke.Swaps(n.id))
		if n.running--; n.removed && n.running == 0 {
			ke.SetSignal(k, &n.idle, 1)
		}
	}
}

// checkUnload is UNLOAD-008 for routines that are still registered when their driver has gone.
func (s *notifiers) checkUnload(m *ke.Machine, img *ke.Image) {
	for kind := range s.slots {
		for _, n := range s.slots[kind] {
			if n == nil || n.image != img {
				continue
			}
			what := "process"
			if notifyKind(kind) == imageNotify {
				what = "image"
			}
			m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_008, Obj: n.id.String(), Driver: img.Name,
				Ctx: "unload of " + img.Name,
				Headline: fmt.Sprintf("%s is unloaded and its %s notify routine %s is still registered",
					img.Name, what, ke.FuncName(n.fn)),
				Places: []verify.Place{{Label: "REGISTERED", Seq: n.seq}},
				Case:   what + " notify routine"})
		}
	}
}

// WatchesProcesses reports whether any driver is told of processes now. It is not a routine of Windows.
func (sim) WatchesProcesses(m *ke.Machine) bool {
	for _, n := range notifyState.On(m).slots[processNotify] {
		if n != nil {
			return true
		}
	}
	return false
}

// ProcessCreated tells the notify routines that p begins, in the thread that creates it, and gives the status
// of the creation. It is not a routine of Windows.
func (sim) ProcessCreated(k *irql.K, p *ke.Process) ntstatus.NTSTATUS {
	t := ke.ThreadOf(k)
	p.Parent = ke.PIDOf(t.Process)
	name := imageName(p.Image)
	// One structure for all routines: who comes later sees what an earlier one decided (INFERRED: it belongs
	// to the creation, of which there is one).
	info := &PS_CREATE_NOTIFY_INFO{Size: 72, FileOpenNameAvailable: true,
		ParentProcessId: irql.HANDLE(p.Parent),
		CreatingThreadId: irql.CLIENT_ID{UniqueProcess: irql.HANDLE(p.Parent),
			UniqueThread: irql.HANDLE(t.TID)},
		ImageFileName: &name, CommandLine: unicode(p.Image)}
	notifyState.Of(k).each(k, processNotify, func(n *notifier) {
		if n.create != nil {
			n.create(k, irql.HANDLE(p.Parent), irql.HANDLE(p.PID), true)
			return
		}
		n.createEx(k, irql.Sim.ProcessObject(k, p), irql.HANDLE(p.PID), info)
	})
	status := info.CreationStatus
	*info = PS_CREATE_NOTIFY_INFO{} // lent until the return
	if ntstatus.NT_SUCCESS(status) {
		return ntstatus.STATUS_SUCCESS
	}
	return status
}

// ProcessEnds tells the notify routines that p ends, in its last thread, before its handles are closed. It is
// not a routine of Windows.
func (sim) ProcessEnds(k *irql.K, p *ke.Process) {
	notifyState.Of(k).each(k, processNotify, func(n *notifier) {
		if n.create != nil {
			n.create(k, irql.HANDLE(p.Parent), irql.HANDLE(p.PID), false)
			return
		}
		n.createEx(k, irql.Sim.ProcessObject(k, p), irql.HANDLE(p.PID), nil)
	})
}

// Bases and sizes of images; nothing lies there.
const (
	programBase = 0x00007FF6_00000000
	ntdllBase   = 0x00007FFB_00000000
	driverBase  = 0xFFFFF806_00000000
	imageSize   = 0x20000
)

// ImagesMapped tells the notify routines of the images that a process begins with, in its first thread: the
// program's and ntdll. It is not a routine of Windows.
func (sim) ImagesMapped(k *irql.K, p *ke.Process) {
	if nobodyWatchesImages(k) {
		return
	}
	mapped(k, imageName(p.Image), p.PID, IMAGE_INFO{ImageAddressingMode: IMAGE_ADDRESSING_MODE_32BIT,
		ImageBase: programBase, ImageSize: imageSize})
	mapped(k, *unicode(`\SystemRoot\System32\ntdll.dll`), p.PID,
		IMAGE_INFO{ImageAddressingMode: IMAGE_ADDRESSING_MODE_32BIT, ImageBase: ntdllBase,
			ImageSize: imageSize})
}

// driverMapped tells them of a driver, before its DriverEntry runs.
func driverMapped(k *irql.K, img *ke.Image) {
	if nobodyWatchesImages(k) {
		return
	}
	mapped(k, *unicode(`\SystemRoot\System32\drivers\` + img.Name), 0,
		IMAGE_INFO{ImageAddressingMode: IMAGE_ADDRESSING_MODE_32BIT, SystemModeImage: true,
			ImageBase: driverBase + uint64(img.Num)*imageSize, ImageSize: imageSize})
}

// nobodyWatchesImages is asked first: without a routine nothing is made for one.
func nobodyWatchesImages(k *irql.K) bool {
	ke.Adds(k, ke.Reads(imageNotify.table()))
	return len(notifyState.Of(k).slots[imageNotify]) == 0
}

func mapped(k *irql.K, name UNICODE_STRING, pid uint32, info IMAGE_INFO) {
	notifyState.Of(k).each(k, imageNotify, func(n *notifier) {
		lent, about := name, info
		n.load(k, &lent, irql.HANDLE(pid), &about)
		lent, about = UNICODE_STRING{}, IMAGE_INFO{} // lent until the return
	})
}
