// Package irp is the I/O manager as a driver sees it: IRPs and their stack locations, completion, pending and
// cancellation, device and driver objects, work items, pool memory and MDLs.
//
// Modelled: what spec sections 1 to 12, 18 to 22 of the IRP digest describe, with an ownership record per IRP
// that says at every moment which driver may touch it. Not modelled: plug and play, power, file systems,
// the page file. Each IRP belongs to one machine; its methods ask that machine who is
// running.
package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IO_STATUS_BLOCK is the result of a request. The zero value is STATUS_SUCCESS with nothing transferred.
type IO_STATUS_BLOCK struct {
	Status      ntstatus.NTSTATUS
	Information uint64
	Pointer     any // the object where C casts Information to a pointer (WskSocket, WskAccept)
}

// ASSOCIATED_IRP holds the members of the C union of that name.
type ASSOCIATED_IRP struct {
	MasterIrp    *IRP
	IrpCount     int32
	SystemBuffer *Buffer
}

// IRP_MJ_* are the major function codes.
const (
	IRP_MJ_CREATE                  = 0x00
	IRP_MJ_CREATE_NAMED_PIPE       = 0x01
	IRP_MJ_CLOSE                   = 0x02
	IRP_MJ_READ                    = 0x03
	IRP_MJ_WRITE                   = 0x04
	IRP_MJ_QUERY_INFORMATION       = 0x05
	IRP_MJ_SET_INFORMATION         = 0x06
	IRP_MJ_FLUSH_BUFFERS           = 0x09
	IRP_MJ_DEVICE_CONTROL          = 0x0e
	IRP_MJ_INTERNAL_DEVICE_CONTROL = 0x0f
	IRP_MJ_SHUTDOWN                = 0x10
	IRP_MJ_CLEANUP                 = 0x12
	IRP_MJ_POWER                   = 0x16
	IRP_MJ_SYSTEM_CONTROL          = 0x17
	IRP_MJ_PNP                     = 0x1b
	IRP_MJ_MAXIMUM_FUNCTION        = 0x1b
)

// Bits of IRP.Flags (irp.md 1.3).
const (
	IRP_NOCACHE             = 0x0001
	IRP_PAGING_IO           = 0x0002
	IRP_SYNCHRONOUS_API     = 0x0004
	IRP_ASSOCIATED_IRP      = 0x0008
	IRP_BUFFERED_IO         = 0x0010
	IRP_DEALLOCATE_BUFFER   = 0x0020
	IRP_INPUT_OPERATION     = 0x0040
	IRP_CREATE_OPERATION    = 0x0080
	IRP_READ_OPERATION      = 0x0100
	IRP_WRITE_OPERATION     = 0x0200
	IRP_CLOSE_OPERATION     = 0x0400
	IRP_DEFER_IO_COMPLETION = 0x0800
)

// Bits of IO_STACK_LOCATION.Control (irp.md 1.2).
const (
	SL_PENDING_RETURNED  = 0x01
	SL_ERROR_RETURNED    = 0x02
	SL_INVOKE_ON_CANCEL  = 0x20
	SL_INVOKE_ON_SUCCESS = 0x40
	SL_INVOKE_ON_ERROR   = 0x80
)

const invokeAny = SL_INVOKE_ON_CANCEL | SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR

// Priority boosts of IoCompleteRequest.
const (
	IO_NO_INCREMENT      = 0
	IO_NETWORK_INCREMENT = 2
)

// STATUS_CONTINUE_COMPLETION is what a completion routine returns to let the climb go on.
const STATUS_CONTINUE_COMPLETION = ntstatus.STATUS_SUCCESS

// DRIVER_DISPATCH is a dispatch routine. It completes the IRP, passes it on, or marks it pending and keeps
// it.
//
// IRQL: PASSIVE_LEVEL from the I/O manager, else that of the caller of IoCallDriver.
// Ownership: the IRP is the driver's until it gives it away.
// Rules: IRP-006 to IRP-010, IRP-057, IRP-058.
// Reference: wdm/nc-wdm-driver_dispatch.
type DRIVER_DISPATCH func(k *irql.K, dev *DEVICE_OBJECT, p *IRP) ntstatus.NTSTATUS

// IO_COMPLETION_ROUTINE is called when an IRP comes back from below. STATUS_MORE_PROCESSING_REQUIRED stops
// the climb.
//
// IRQL: that of IoCompleteRequest's caller, <= DISPATCH_LEVEL.
// Ownership: the IRP is the routine's driver's while it runs.
// Rules: IRP-011, IRP-013, IRP-050 to IRP-052.
// Reference: wdm/nc-wdm-io_completion_routine.
type IO_COMPLETION_ROUTINE func(k *irql.K, dev *DEVICE_OBJECT, p *IRP, context any) ntstatus.NTSTATUS

// DRIVER_CANCEL is a cancel routine. It releases the cancel spin lock first.
//
// IRQL: DISPATCH_LEVEL at entry, Irp.CancelIrql at return.
// Ownership: the IRP is the routine's to complete.
// Rules: IRP-024, IRP-025.
// Reference: wdm/nc-wdm-driver_cancel.
type DRIVER_CANCEL func(k *irql.K, dev *DEVICE_OBJECT, p *IRP)

// DRIVER_INITIALIZE is DriverEntry: it fills the dispatch table and DriverUnload.
//
// IRQL: PASSIVE_LEVEL.
// Reference: wdm/nc-wdm-driver_initialize.
type DRIVER_INITIALIZE func(k *irql.K, drv *DRIVER_OBJECT, registryPath string) ntstatus.NTSTATUS

// DRIVER_UNLOAD is the unload routine: when it returns, the image goes.
//
// IRQL: PASSIVE_LEVEL.
// Rules: UNLOAD-001 to UNLOAD-007.
// Reference: wdm/nc-wdm-driver_unload.
type DRIVER_UNLOAD func(k *irql.K, drv *DRIVER_OBJECT)

// IO_WORKITEM_ROUTINE is the routine of a work item. It may free the item or queue it again.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-007.
// Reference: wdm/nc-wdm-io_workitem_routine.
type IO_WORKITEM_ROUTINE func(k *irql.K, dev *DEVICE_OBJECT, context any)

// origin says which routine made an IRP.
type origin uint8

const (
	byAllocate origin = iota
	byInitialize
	byAsyncFsd
	byAssociated
	bySyncFsd // and what follows is threaded
	byIoctl
	byManager // the I/O manager, for a program or about a file object
)

var originNames = [...]string{"IoAllocateIrp", "IoInitializeIrp", "IoBuildAsynchronousFsdRequest",
	"IoMakeAssociatedIrp", "IoBuildSynchronousFsdRequest", "IoBuildDeviceIoControlRequest", "the I/O manager"}

// String names the routine.
func (o origin) String() string { return originNames[o] }

// threaded reports whether the I/O manager owns the end of such an IRP's life (irp.md 8).
func (o origin) threaded() bool { return o == bySyncFsd || o == byIoctl || o == byManager }

// ownState is who holds the IRP (irp.md 8.2).
type ownState uint8

const (
	stCreator    ownState = iota // allocated, reused or built, not sent
	stAt                         // a dispatch routine runs with it
	stQueued                     // a driver keeps it after its dispatch routine returned
	stInRoutine                  // a completion routine runs with it
	stStopped                    // a completion routine stopped the climb
	stInCancel                   // a cancel routine runs with it
	stCompleting                 // between two routines of a climb
	stStage2                     // the I/O manager finishes it
	stFreed
)

var stateNames = [...]string{"with its creator", "in a dispatch routine", "kept by",
	"in a completion routine",
	"stopped by a completion routine", "in a cancel routine", "being completed",
	"being finished by the I/O manager", "freed"}

// String describes the state for reports.
func (s ownState) String() string { return stateNames[s] }

// IRP is an I/O request packet. It has no exported fields: each C field is a method that checks whether the
// code that runs now acts for the owner, and reports IRP-005 if it does not. What a method hands out is for
// use at once.
type IRP struct {
	m    *ke.Machine
	io   *ioManager
	id   trace.ID
	locs []IO_STACK_LOCATION // element n-1 is location n

	// Invariant: cur counts down on the way down and up on the way back; 1..stackCount is a location of a
	// driver.
	cur        int8
	stackCount int8
	origin     origin
	state      ownState
	level      int8 // location number of the owner; stackCount+1 for a creator without location

	pendingReturned bool
	cancel          bool
	inThreadList    bool
	sent            bool
	looked          bool // the routine that runs has read PendingReturned
	late            bool // IRP-027 has been reported
	lateError       bool // as an error
	cancelRan       bool // its cancel routine has been called
	unstopped       bool // IRP-036 has been reported when it was sent
	cancelIrql      irql.KIRQL
	requestorMode   irql.KPROCESSOR_MODE
	allocFlags      uint8
	flags           uint32
	outLen          uint32 // of buffered requests: room for what comes back

	owner     *ke.Image // driver that holds it
	completer *ke.Image // who called IoCompleteRequest last
	ownerDev  *DEVICE_OBJECT
	creator   *ke.Image
	sub       *SubsystemRules // of the subsystem it was given to, nil for ordinary devices

	ioStatus      IO_STATUS_BLOCK
	mdl           *MDL
	assoc         ASSOCIATED_IRP
	userIosb      *IO_STATUS_BLOCK
	userEvent     *irql.KEVENT
	userBuffer    *Buffer
	cancelRoutine DRIVER_CANCEL
	driverContext [4]any
	thread        *ke.Thread
	op            *UserIO // what a program waits for
	file          *FILE_OBJECT
	received      *IO_STATUS_BLOCK // sent with it and a minor function that nobody knows; else nil
	cancelAt      int64            // time of IoCancelIrp
	serial        uint64           // changes with every transfer of ownership

	mem       *Buffer // bytes of the driver's that it lies in, with IoInitializeIrp and As
	devEntry  *KDEVICE_QUEUE_ENTRY
	started   uint64      // value of serial when it was given to IoStartPacket
	entry     *LIST_ENTRY // Tail.Overlay.ListEntry, made when it is asked for
	csq       *IO_CSQ     // the cancel-safe queue it is in
	csqKey    any         // what the queue stored in DriverContext[3]
	csqSeq    uint64
	inWork    uint64 // value of serial when it was handed to a work item
	exFailed  uint64 // 1 + event of an IoSetCompletionRoutineEx that failed
	master    *IRP   // of an associated IRP
	masterID  trace.ID
	parts     int32 // associated IRPs that were sent, of a master
	partsDone int32
	ran       *routineRun // nil before a routine has run

	allocSeq, freeSeq, sentSeq, completeSeq, queueSeq, cancelSeq uint64

	next, prev *IRP // live list of the machine
}

// IO_STACK_LOCATION is one driver's part of an IRP. A driver reads its own and writes the next lower one.
type IO_STACK_LOCATION struct {
	p        *IRP
	device   *DEVICE_OBJECT
	routine  IO_COMPLETION_ROUTINE
	context  any
	setBy    *ke.Image // who registered routine
	markedBy *ke.Image // who called IoMarkIrpPending
	visit    *visit
	ex       *exRoutine         // registered by IoSetCompletionRoutineEx
	self     *IO_STACK_LOCATION // differs in a location that was copied by assignment
	file     *FILE_OBJECT
	params   PARAMETERS
	filled   bool // params may be other than zero
	major    uint8
	minor    uint8
	flags    uint8
	control  uint8
	copied   bool // prepared by IoCopyCurrentIrpStackLocationToNext

	broken  bool  // its driver's routine lost the pending mark
	relying uint8 // dispatch calls that returned STATUS_PENDING on the word of the driver below

	synchronous bool // routine is that of IoForwardIrpSynchronously
}

// PARAMETERS holds the members of the C union Parameters that are modelled. Only the member that belongs to
// the major function means anything.
type PARAMETERS struct {
	DeviceIoControl struct {
		OutputBufferLength uint32
		InputBufferLength  uint32
		IoControlCode      uint32
		Type3InputBuffer   *Buffer
	}
	Read   TRANSFER
	Write  TRANSFER
	Others struct{ Argument1, Argument2, Argument3, Argument4 any }
}

// TRANSFER is Parameters.Read and Parameters.Write.
type TRANSFER struct {
	Length     uint32
	Key        uint32
	ByteOffset int64
}

// ioManager is the state of the I/O manager of one machine.
type ioManager struct {
	m      *ke.Machine
	live   *IRP // newest first
	nlive  int
	free   [maxPooled + 1]irpQueue
	visits *visit

	drivers []*DRIVER_OBJECT
	devices []*DEVICE_OBJECT
	items   []*IO_WORKITEM
	files   []*FILE_OBJECT
	handles []*UserHandle
	links   []symlink
	taken   []taken

	services []service

	advice []advice // by image

	forces bool     // Config.ForcePending
	names  trace.ID // stands for all names, of devices and links

	cancelLock  ke.SpinLock
	cancelOwner *IRP

	hooks *ioHooks
}

// ioHooks are the methods that others call, as functions.
type ioHooks struct {
	stackGone   func(k *ke.K, obj any)
	endThread   func(k *ke.K)
	checkUnload func(m *ke.Machine, img *ke.Image)
	checkEnd    func(m *ke.Machine)
	listLeft    func(m *ke.Machine, say func(line string))
	couldAct    func(m *ke.Machine) bool
	refine      func(k *ke.K, f *verify.Finding)
	set         func(k *ke.K, o *ke.Object)
	awaited     func(k *ke.K, o *ke.Object, forever bool)
}

var state = ke.NewReusedSlot(newIOManager, renewIOManager)

func newIOManager(*ke.Machine) *ioManager {
	io := &ioManager{}
	io.hooks = &ioHooks{io.stackGone, io.endThread, io.checkUnload, io.checkEnd, io.listLeft, io.couldAct,
		io.refine, io.eventSet, io.eventAwaited}
	return io
}

// renewIOManager makes the I/O manager as new. IRPs of earlier runs are never used again.
func renewIOManager(m *ke.Machine, io *ioManager) {
	for i := range io.free {
		clear(io.free[i].ring)
		io.free[i] = irpQueue{ring: io.free[i].ring}
	}
	*io = ioManager{m: m, free: io.free, visits: io.visits, hooks: io.hooks,
		drivers: list.Empty(io.drivers), devices: list.Empty(io.devices), items: list.Empty(io.items),
		files: list.Empty(io.files), handles: list.Empty(io.handles), links: list.Empty(io.links),
		taken: list.Empty(io.taken), advice: list.Empty(io.advice),
		forces: m.Config().ForcePending, names: trace.MakeID(trace.Device, 1<<54)}
	io.cancelLock.ID = m.NewID(trace.SpinLock)
	h := io.hooks
	m.OnStackDeath = append(m.OnStackDeath, h.stackGone)
	m.OnThreadEnd = append(m.OnThreadEnd, h.endThread)
	m.AtUnload(h.checkUnload)
	m.AtEnd(h.checkEnd)
	m.AtRest(h.listLeft)
	m.CouldAct(h.couldAct)
	m.Refine = append(m.Refine, h.refine)
	irql.Watch(m, h.set, h.awaited)
}

// ID returns the id reports use for the IRP.
func (p *IRP) ID() trace.ID { return p.id }

// IoStatus is the status block of the request. The owner writes it before completing the IRP; a completion
// routine may change it. Rules: IRP-005.
func (p *IRP) IoStatus() *IO_STATUS_BLOCK {
	p.touchStatus()
	return &p.ioStatus
}

// PendingReturned tells a completion routine that the level below was marked pending. Rules: IRP-005.
func (p *IRP) PendingReturned() bool {
	p.look()
	if k := p.m.Current(); k != nil && ke.Acting(k) != nil {
		p.looked = true
	}
	return p.pendingReturned
}

// Cancel reports whether IoCancelIrp was called for the IRP. Rules: IRP-005.
func (p *IRP) Cancel() bool {
	p.lookCancel()
	return p.cancel
}

// CancelIrql is what a cancel routine passes to IoReleaseCancelSpinLock. Rules: IRP-005.
func (p *IRP) CancelIrql() irql.KIRQL {
	p.lookCancel()
	return p.cancelIrql
}

// CancelRoutine returns the current cancel routine; only IoSetCancelRoutine changes it. Rules: IRP-005.
func (p *IRP) CancelRoutine() DRIVER_CANCEL {
	p.lookCancel()
	return p.cancelRoutine
}

// MdlAddress is the head of the chain of MDLs of the caller's buffer. Rules: IRP-005.
func (p *IRP) MdlAddress() *MDL {
	p.look()
	return p.mdl
}

// SetMdlAddress sets the chain; a creator does that and cleans up. Rules: IRP-005.
func (p *IRP) SetMdlAddress(mdl *MDL) {
	p.touch()
	p.mdl = mdl
}

func (p *IRP) setMdlHead(mdl *MDL) { p.mdl = mdl }

// AssociatedIrp holds SystemBuffer. Rules: IRP-005.
func (p *IRP) AssociatedIrp() *ASSOCIATED_IRP {
	p.touch()
	return &p.assoc
}

// UserBuffer is the output buffer of METHOD_NEITHER requests. Rules: IRP-005.
func (p *IRP) UserBuffer() *Buffer {
	p.look()
	return p.userBuffer
}

// SetUserBuffer sets UserBuffer, as a creator may. Rules: IRP-005.
func (p *IRP) SetUserBuffer(b *Buffer) {
	p.touch()
	p.userBuffer = b
}

// DriverContext is Tail.Overlay.DriverContext, scratch space of the current owner. Rules: IRP-005.
func (p *IRP) DriverContext() *[4]any {
	p.touch()
	return &p.driverContext
}

// Flags returns the IRP_* bits. Rules: IRP-005.
func (p *IRP) Flags() uint32 {
	p.look()
	return p.flags
}

// RequestorMode is irql.KernelMode or irql.UserMode. Rules: IRP-005.
func (p *IRP) RequestorMode() irql.KPROCESSOR_MODE {
	p.look()
	return p.requestorMode
}

// StackCount is the number of stack locations. Rules: IRP-005.
func (p *IRP) StackCount() int8 {
	p.look()
	return p.stackCount
}

// CurrentLocation is the number of the current location, StackCount+1 when there is none. Rules: IRP-005.
func (p *IRP) CurrentLocation() int8 {
	p.look()
	return p.cur
}
