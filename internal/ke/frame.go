package ke

import (
	"strconv"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// NewImage registers a driver image.
func (m *Machine) NewImage(name string) *Image {
	img := &Image{Name: name, Num: uint16(len(m.images) + 1), ID: m.NewID(trace.Driver)}
	m.images = append(m.images, img)
	return img
}

// Images lists the images in order of loading; number n is at index n-1.
func (m *Machine) Images() []*Image { return m.images }

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

// EntryIRQL returns the level f was entered at.
func (f *Frame) EntryIRQL() uint8 { return f.irql }

// SetEntryIRQL tells what level the callback must leave; cancel routines leave at another than they were
// entered at.
func (f *Frame) SetEntryIRQL(irql uint8) { f.irql = irql }

// OnStack ties obj to the routine that runs now, as if it lay on its kernel stack.
func OnStack(k *K, obj any) { k.stack = append(k.stack, stackObject{obj: obj}) }

func dieStack(k *K, f *Frame) {
	for i := len(k.stack) - 1; i >= f.stack; i-- {
		k.endObject(k.stack[i].obj, endsCallback)
		k.stack[i] = stackObject{}
	}
	k.stack = k.stack[:f.stack]
}
