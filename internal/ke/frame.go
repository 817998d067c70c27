package ke

import (
	"strconv"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// FrameKind says in what role driver code was called.
type FrameKind uint8

// The roles.
const (
	NoFrame FrameKind = iota
	FrameEntry
	FrameUnload
	FrameDispatch
	FrameCompletion
	FrameCancel
	FrameDPC
	FrameTimer
	FrameWorkItem
	FrameThread
	FrameUser     // code of a simulated process
	FrameClassify // classifyFn
	FrameNotify
	FrameFlowDelete
	FrameWskEvent
	FrameAPC
	FrameQueue  // a callback of a cancel-safe queue or another driver-supplied helper routine
	FrameSystem // the system's own code, for instance a worker thread between items
	FrameStartIo
	FrameCallback // a routine that the system tells of something: processes, images, named callbacks
)

var frameNames = [...]string{
	FrameEntry:      "DriverEntry",
	FrameUnload:     "DriverUnload",
	FrameDispatch:   "dispatch",
	FrameCompletion: "completion",
	FrameCancel:     "cancel",
	FrameDPC:        "DPC",
	FrameTimer:      "timer DPC",
	FrameWorkItem:   "work item",
	FrameThread:     "thread",
	FrameUser:       "user",
	FrameClassify:   "classifyFn",
	FrameNotify:     "notifyFn",
	FrameFlowDelete: "flowDeleteFn",
	FrameWskEvent:   "WSK event",
	FrameAPC:        "APC",
	FrameQueue:      "queue callback",
	FrameSystem:     "system",
	FrameStartIo:    "StartIo",
	FrameCallback:   "notify",
}

// String names the role.
func (f FrameKind) String() string { return frameNames[f] }

// Image is a loaded driver, the system or a program, as far as the mechanism cares: who acts.
type Image struct {
	Name      string
	Num       uint16
	ID        trace.ID
	System    bool // a driver that belongs to the system
	Test      bool // no driver, but code of a test that acts for one
	Unloading bool
	Unloaded  bool
}

// NewImage registers a driver image.
func (m *Machine) NewImage(name string) *Image {
	img := &Image{Name: name, Num: uint16(len(m.images) + 1), ID: m.NewID(trace.Driver)}
	m.images = append(m.images, img)
	return img
}

// Images lists the images in order of loading; number n is at index n-1.
func (m *Machine) Images() []*Image { return m.images }

// Frame is one call into code that belongs to somebody.
type Frame struct {
	Kind   FrameKind
	Image  *Image   // whose code; nil is the system
	Device any      // for the package above: the device object of a dispatch or completion routine
	Object any      // for the package above: the IRP, the classify
	Obj    trace.ID // id of Object, for events
	Fn     uintptr  // the routine
	Level  int      // for the package above: stack location number
	Entry  uint8    // for the package above: which entry of a table; no part of the hash
	Data   any      // for the package above

	Serial  uint64 // unique in the run
	excused bool   // what is left changed has been reported already
	irql    uint8
	kernel  int
	special int
	locks   int
	stack   int
	raises  int
}

// Push enters a callback. What must be as before when it returns is remembered.
func Push(k *K, f Frame) *Frame {
	top := NewFrame(k)
	*top = f
	Begin(k, top)
	return top
}

// NewFrame and Begin are the two halves of Push, for callbacks so frequent that copying frames shows.
// NewFrame makes room for a frame, with old values: the caller sets every exported member but Serial and
// hands it to Begin at once.
func NewFrame(k *K) *Frame {
	n := len(k.frames)
	if n == cap(k.frames) {
		k.frames = append(k.frames, Frame{})
	}
	k.frames = k.frames[:n+1]
	return &k.frames[n]
}

// Begin enters the callback of the frame that NewFrame made.
func Begin(k *K, f *Frame) {
	m := k.m
	m.frameNo++
	f.Serial, f.excused = m.frameNo, false
	f.irql, f.kernel, f.special = k.irql, k.kernelAPC, k.specialAPC
	f.locks, f.stack, f.raises = len(k.locks), len(k.stack), len(k.raises)
	if len(k.frames) > maxFrames {
		panic(Misuse("more than " + strconv.Itoa(maxFrames) + " callbacks are nested in " + k.name +
			": a completion routine that resends its IRP, or a loop between two drivers"))
	}
	if f.Image != nil {
		Alive(k, f.Image.ID)
	}
	if f.Image != nil && f.Image.Unloaded {
		Report(k, verify.Finding{Rule: verify.UNLOAD_012, Obj: f.Image.ID.String(),
			Headline: "code of " + f.Image.Name + ", which is unloaded, is called"})
	}
	callback(k, f, trace.Enter, 0, 0)
	k.turn = turnNone
}

// callback records that f, the innermost frame, is entered or left.
func callback(k *K, f *Frame, w trace.What, status uint32, has trace.Flags) {
	m := k.m
	e := m.log.Slot()
	e.Time, e.Ctx, e.CPU, e.IRQL, e.Driver = m.now, k.num, k.cpu.num, k.irql, 0
	if f.Image != nil {
		e.Driver = f.Image.Num
	}
	e.What, e.Code, e.Flags, e.Status = w, 0, has, status
	e.Obj, e.Obj2, e.A, e.B, e.Fn, e.Text = f.Obj, 0, uint64(f.Entry), 0, f.Fn, frameNames[f.Kind]
	seq := m.log.Mix(trace.Where(w, 0, k.num, k.cpu.num, k.irql), trace.About(f.Obj, 0, status, 0, 0))
	if m.trail != nil {
		m.trail.event(k, w, 0, f.Obj, 0, status, uint64(f.Kind), 0)
	}
	if m.cfg.Stacks {
		m.recordStack(seq)
	}
}

// maxFrames is the limit of nested callbacks in one context.
const maxFrames = 1000

// Pop leaves the innermost callback and checks what the caller is owed: IRQL, APC state, locks, stack memory.
// The rules depend on the role of the callback: IRQL-007, IRP-052, IRP-057, IRP-058, IRQL-020, LOCK-008.
func Pop(k *K) {
	popChecked(k, 0, 0)
}

// PopStatus is Pop for a callback that returned a status.
func PopStatus(k *K, s ntstatus.NTSTATUS) { popChecked(k, uint32(s), trace.HasStatus) }

func popChecked(k *K, status uint32, has trace.Flags) {
	n := len(k.frames) - 1
	f := &k.frames[n]
	if k.m.cur != k {
		wrongContext(k, 0)
	}
	if k.owes {
		breaks(k, "the routine returns")
	}
	if k.irql != f.irql || k.kernelAPC != f.kernel || k.specialAPC != f.special || len(k.locks) > f.locks {
		returnState(k, f)
	}
	if len(k.stack) > f.stack {
		dieStack(k, f)
	}
	if len(k.raises) > f.raises && f.Kind != FrameQueue {
		k.raises = k.raises[:f.raises]
	}
	callback(k, f, trace.Leave, status, has)
	k.turn, k.gave = turnNone, true // whoever was called may have handed over anything
	k.frames = k.frames[:n]         // what the frame refers to stays until the next one is pushed
}

// Top returns the innermost frame, or nil.
func Top(k *K) *Frame {
	if n := len(k.frames); n > 0 {
		return &k.frames[n-1]
	}
	return nil
}

// Frames returns all frames of k, outermost first. The slice is for use at once.
func Frames(k *K) []Frame { return k.frames }

// Acting returns the image whose code runs in k; nil is the system.
func Acting(k *K) *Image {
	if n := len(k.frames); n > 0 {
		return k.frames[n-1].Image
	}
	return nil
}

// EntryIRQL returns the level f was entered at.
func (f *Frame) EntryIRQL() uint8 { return f.irql }

// SetEntryIRQL tells what level the callback must leave; cancel routines leave at another than they were
// entered at.
func (f *Frame) SetEntryIRQL(irql uint8) { f.irql = irql }

type stackObject struct {
	obj    any
	call   goCall  // whose local variable it is; none for what lives until the callback returns
	pc     uintptr // and where that made it
	inline bool    // the function that made it was compiled into the one that call names
}

// Dier is a frame-scoped object that wants to know when its routine returns.
type Dier interface{ StackGone(k *K) }

// OnStack ties obj to the routine that runs now, as if it lay on its kernel stack.
func OnStack(k *K, obj any) { k.stack = append(k.stack, stackObject{obj: obj}) }

func dieStack(k *K, f *Frame) {
	for i := len(k.stack) - 1; i >= f.stack; i-- {
		k.endObject(k.stack[i].obj, endsCallback)
		k.stack[i] = stackObject{}
	}
	k.stack = k.stack[:f.stack]
}
