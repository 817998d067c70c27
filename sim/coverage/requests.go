package coverage

import (
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// The ways a request can go, by aspect.
var ways = map[uint32][]string{
	aspectReturns:   {"inline", "pended", "pended (completed first)"},
	aspectCompletes: {"success", "error", "cancelled"},
	aspectCancelled: {"before it was sent", whilePending, "without a cancel routine", "after completion"},
}

var aspectNames = map[uint32]string{aspectReturns: "returns", aspectCompletes: "completes",
	aspectCancelled: "cancelled"}

// whilePending is what Level.Cancel asks for.
const whilePending = "with a cancel routine"

// The numbers of the ways.
const (
	inline = iota
	pended
	pendedEarly
)
const (
	succeeded = iota
	failed
	wasCancelled
)
const (
	cancelledBefore = iota
	cancelledPending
	cancelledBare
	cancelledAfter
)

// received begins the row of a dispatch routine: requests that a driver receives.
const received = "DRIVER_DISPATCH "

// Received reports whether a row is about requests that a driver receives, by its dispatch routine, as
// opposed to those it sends.
func Received(name string) bool { return strings.HasPrefix(name, received) }

// request is one IRP sent once.
type request struct {
	irp       trace.ID
	before    int32 // the same IRP sent earlier, or from further up; -1 for none
	driver    uint16
	sender    use
	receiver  use
	returned  bool
	completed bool
	status    ntstatus.NTSTATUS // of the dispatch routine
	final     ntstatus.NTSTATUS // of the IRP
	climb     uint64            // which completion it was
	early     bool              // completed before the dispatch routine returned
	cancelled uint8             // bits: the cancelled* ways
	cancelNow bool              // IoCancelIrp was called while it was under way
	routine   bool              // and its cancel routine was called
}

// requests follows the IRPs of one run through its events.
type requests struct {
	c       *Collector
	m       *ke.Machine
	images  []uint32 // by number of the image in the run
	list    []request
	last    map[trace.ID]int32
	flagged map[trace.ID]bool // Irp->Cancel
	sending map[uint16]int32  // by context: IoCallDriver was called, the dispatch routine comes next
	over    map[uint16]int32  // by context: the subsystem's dispatch routine has returned
	frames  map[uint16][]int32
	serial  uint64
}

func (r *requests) begin(c *Collector, m *ke.Machine) {
	r.c, r.m = c, m
	if r.last == nil {
		r.last, r.flagged = map[trace.ID]int32{}, map[trace.ID]bool{}
		r.sending, r.over, r.frames = map[uint16]int32{}, map[uint16]int32{}, map[uint16][]int32{}
	}
	r.images, r.list, r.serial = append(r.images[:0], 0), r.list[:0], 0
	for _, img := range m.Images() {
		n := uint32(0)
		if !img.System {
			n = c.image(img.Name)
		}
		r.images = append(r.images, n)
	}
	clear(r.last)
	clear(r.flagged)
	clear(r.sending)
	clear(r.over)
	clear(r.frames)
}

// imageOf gives the collector's number of an image of the run.
func (r *requests) imageOf(num uint16) uint32 { return r.images[num] }

func (r *requests) event(e *trace.Event) {
	switch e.What {
	case trace.Call:
		r.call(e)
	case trace.Note:
		// A routine that the table lacks is recorded by name, with its status.
		if image := r.imageOf(e.Driver); image != 0 && e.Flags&trace.HasStatus != 0 {
			row, _ := r.c.routine(e.Text)
			r.c.called(image, row)
			r.c.status(image, row, e)
		}
	case trace.Enter:
		r.enter(e)
	case trace.Leave:
		r.leave(e)
	}
}

func (r *requests) call(e *trace.Event) {
	image := r.imageOf(e.Driver)
	switch e.Code {
	case ddi.None:
		return
	case ddi.IoCallDriver:
		r.sends(e, image)
		return // counted when it is known to whom
	case ddi.IoCompleteRequest:
		r.completes(e)
	case ddi.IoCancelIrp:
		r.cancels(e.Obj)
	case ddi.IoReuseIrp, ddi.IoInitializeIrp:
		delete(r.flagged, e.Obj)
	}
	if i, ok := r.over[e.Ctx]; ok && image != 0 && strings.HasPrefix(e.Code.String(), "PFN_WSK_") {
		r.list[i].sender = use{image, uint32(e.Code)} // the function of WSK behind the IoCallDriver
		delete(r.over, e.Ctx)
	} else if e.Code == ddi.PFN_WSK_CLOSE_SOCKET && e.Flags&trace.HasStatus == 0 {
		return // its beginning; its end is recorded, too
	}
	if image != 0 {
		r.c.called(image, uint32(e.Code))
		r.c.status(image, uint32(e.Code), e)
	}
}

func (r *requests) sends(e *trace.Event, image uint32) {
	q := request{irp: e.Obj2, before: -1, driver: e.Driver, sender: use{image, uint32(ddi.IoCallDriver)}}
	if i, ok := r.last[q.irp]; ok {
		q.before = i
	}
	if r.flagged[q.irp] {
		q.cancelled |= 1 << cancelledBefore
	}
	n := int32(len(r.list))
	r.list = append(r.list, q)
	r.last[q.irp], r.sending[e.Ctx] = n, n
}

func (r *requests) enter(e *trace.Event) {
	if e.Driver != 0 {
		r.c.enters[callback{e.Driver, e.Fn, uint8(e.A)}]++
	}
	i, sent := r.sending[e.Ctx]
	delete(r.sending, e.Ctx)
	if !sent || e.Text != ke.FrameDispatch.String() {
		i = -1
	}
	r.frames[e.Ctx] = append(r.frames[e.Ctx], i)
	if e.Text == ke.FrameCancel.String() {
		for i, ok := r.last[e.Obj]; ok && i >= 0; i = r.list[i].before {
			r.list[i].routine = r.list[i].routine || r.list[i].cancelNow
		}
	}
	if i < 0 {
		return
	}
	q := &r.list[i]
	switch image := r.imageOf(e.Driver); {
	case image != 0:
		q.receiver = use{image, r.dispatch(e.Fn)}
		r.c.called(image, q.receiver.row)
		if q.sender.image != 0 {
			r.c.called(q.sender.image, q.sender.row)
		}
	default:
		q.sender.row = 0 // a function of WSK; which one, its own event tells
	}
}

// dispatch gives the row of a dispatch routine.
func (r *requests) dispatch(fn uintptr) uint32 {
	row, ok := r.c.byFn[fn]
	if !ok {
		row = r.c.name(received + ke.FuncName(fn))
		r.c.byFn[fn] = row
	}
	return row
}

func (r *requests) leave(e *trace.Event) {
	f := r.frames[e.Ctx]
	if len(f) == 0 {
		return
	}
	i := f[len(f)-1]
	r.frames[e.Ctx] = f[:len(f)-1]
	switch {
	case i >= 0:
		q := &r.list[i]
		q.returned, q.status, q.early = true, ntstatus.NTSTATUS(e.Status), q.completed
		if q.sender.image != 0 && q.sender.row == 0 {
			r.over[e.Ctx] = i
		}
	case e.Text == ke.FrameCompletion.String() &&
		ntstatus.NTSTATUS(e.Status) == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
		r.stops(e)
	}
}

// completes ends every request of the IRP that is under way, from the innermost on; a completion routine may
// stop the climb.
func (r *requests) completes(e *trace.Event) {
	r.serial++
	for i, ok := r.last[e.Obj]; ok && i >= 0; i = r.list[i].before {
		q := &r.list[i]
		if q.completed {
			break
		}
		q.completed, q.final, q.climb = true, ntstatus.NTSTATUS(e.Status), r.serial
	}
}

// stops takes back the completion of what lies above the driver whose routine stopped the climb.
func (r *requests) stops(e *trace.Event) {
	own := false
	climb := uint64(0)
	for i, ok := r.last[e.Obj]; ok && i >= 0; i = r.list[i].before {
		q := &r.list[i]
		switch {
		case climb == 0:
			climb = q.climb
		case q.climb != climb:
			return
		}
		if own {
			q.completed = false
		}
		own = own || q.driver == e.Driver
	}
}

// cancels notes IoCancelIrp for the requests of the IRP.
func (r *requests) cancels(irp trace.ID) {
	r.flagged[irp] = true
	i, ok := r.last[irp]
	if ok && r.list[i].completed {
		r.list[i].cancelled |= 1 << cancelledAfter
		return
	}
	for ; ok && i >= 0 && !r.list[i].completed; i = r.list[i].before {
		r.list[i].cancelNow = true
	}
}

// end counts the requests of the run, for who sent and for who received them.
func (r *requests) end() {
	for i := range r.list {
		q := &r.list[i]
		if !q.returned {
			continue
		}
		for _, u := range [...]use{q.sender, q.receiver} {
			if u.image != 0 && u.row != 0 {
				q.add(r.c, u)
			}
		}
	}
}

func (q *request) add(c *Collector, u use) {
	way := uint32(inline)
	switch {
	case q.status != ntstatus.STATUS_PENDING:
	case q.early:
		way = pendedEarly
	default:
		way = pended
	}
	c.counts[count{u.image, u.row, aspectReturns, way}]++
	if q.completed {
		way = failed
		switch {
		case ntstatus.NT_SUCCESS(q.final):
			way = succeeded
		case q.final == ntstatus.STATUS_CANCELLED:
			way = wasCancelled
		}
		c.counts[count{u.image, u.row, aspectCompletes, way}]++
	}
	switch {
	case q.cancelNow && q.routine:
		q.cancelled |= 1 << cancelledPending
	case q.cancelNow:
		q.cancelled |= 1 << cancelledBare
	}
	for i := range uint32(4) {
		if q.cancelled&(1<<i) != 0 {
			c.counts[count{u.image, u.row, aspectCancelled, i}]++
		}
	}
}
