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

const (
	irpSize      = 0xD0 // sizeof(IRP) on x64
	locationSize = 0x48
	maxLocations = 125 // StackCount+2 must fit a signed byte (irp.md 2.1, INFERRED from the types)
)

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

// ID returns the id reports use for the IRP.
func (p *IRP) ID() trace.ID { return p.id }

func (p *IRP) setMdlHead(mdl *MDL) { p.mdl = mdl }

// loc returns location n, or nil when there is none of that number.
func (p *IRP) loc(n int8) *IO_STACK_LOCATION {
	if n < 1 || n > p.stackCount {
		return nil
	}
	return &p.locs[n-1]
}

// exRoutine is the small allocation of IoSetCompletionRoutineEx: it holds the device, and so the image, until
// the routine has run.
type exRoutine struct {
	dev *DEVICE_OBJECT
	seq uint64
}

// routineRun is what the completion routine that was called last for an IRP did with events. The rules about
// who signals and who waits need it; it outlives the IRP for as long as that is recognisable.
type routineRun struct {
	context  any
	fn       uintptr
	frame    uint64 // serial of its frame
	time     int64
	pended   bool
	marked   bool       // it called IoMarkIrpPending
	reported bool       // IRP-048
	set      *ke.Object // what it signalled last
	by       *ke.Image
}

// visit is what one dispatch call of one driver did with its IRP. It outlives the IRP, because the dispatch
// routine may return after the climb.
type visit struct {
	p         *IRP
	serial    uint64
	marked    bool
	completed bool // by the driver, at its level
	ownFrame  bool // ... and inside the dispatch call itself
	status    ntstatus.NTSTATUS
	forwarded bool
	lower     ntstatus.NTSTATUS
	skipped   bool
	passed    bool       // the climb has left the location
	unmarked  bool       // ... without the pending mark
	force     bool       // its sender is to see STATUS_PENDING (Config.ForcePending)
	forced    bool       // ... and does
	uncalled  bool       // set a cancel routine on a cancelled IRP: nobody will call it
	event     *ke.Object // what the dispatch routine waited for last
	mixed     *ke.Object // what a routine of this level signalled that marks as well
	above     *visit     // the dispatch call that skipped this location, so that both use it
	next      *visit
}

// advice is what is said to a driver once in a run, whatever the number of its requests.
type advice uint8

const (
	plainUnsafe advice = 1 << iota // IRP-044 applies to the driver and was not reported yet
	saidCopied                     // IRP-064
	saidWaits                      // IRP-049
)

// adviceFor is what the machine knows about giving advice to a driver.
func (io *ioManager) adviceFor(img *ke.Image) *advice {
	for len(io.advice) <= int(img.Num) {
		io.advice = append(io.advice, 0)
	}
	return &io.advice[img.Num]
}

// symlink is a symbolic link of the object manager.
type symlink struct {
	name, target string
	image        *ke.Image // who made it
	seq          uint64
}

// service is a driver that can be loaded: what its key in the registry and the file it names are to Windows.
type service struct {
	name   string
	entry  DRIVER_INITIALIZE
	loaded func(*DRIVER_OBJECT) // told of every load by a driver; may be nil
}

// special returns the subsystem's rule for an act if p was given to one that has such a rule.
func (p *IRP) special(pick func(*SubsystemRules) verify.RuleID) verify.RuleID {
	if p.sub == nil {
		return verify.NoRule
	}
	return pick(p.sub)
}

// taken is a reference that a routine of the I/O manager gave to a driver.
type taken struct {
	object any
	id     trace.ID
	image  *ke.Image
	seq    uint64
}

func (io *ioManager) getVisit(p *IRP) *visit {
	v := io.visits
	if v == nil {
		return &visit{p: p}
	}
	io.visits = v.next
	*v = visit{p: p}
	return v
}

func (io *ioManager) putVisit(v *visit) {
	v.p = nil
	v.next = io.visits
	io.visits = v
}

// sim has the routines that the simulator's other packages need of this one. They are no routines of Windows,
// and drivers have no use for them, so they stand apart.
type sim struct{}
