package irp_test

import (
	"fmt"

	"calloutsim/ntstatus"
)

// The drivers of the model test. They are written once, against packet, and run over package irp and over
// the model.

// packet is an IRP in the hands of a routine that runs.
type packet interface {
	location() int8
	locations() int8
	pendingReturned() bool
	status() ntstatus.NTSTATUS
	setStatus(s ntstatus.NTSTATUS)
	here() (control uint8, code uint32) // of the current location, which must exist
	nextCode() uint32
	setNextCode(code uint32)

	own() // a creator takes a location
	skip()
	copyDown()
	set(r routine, on invoke)
	mark()
	call(level int) ntstatus.NTSTATUS
	complete()
	reuse(s ntstatus.NTSTATUS)
	free()

	newEvent() event
	signal(e event)
	await(e event)
	afterwards(c context, fn func(p packet))
	hold(c context, s ntstatus.NTSTATUS)
}

// event is a notification event.
type event any

// world is where a creator makes its requests.
type world interface {
	newEvent() event
	await(e event)
	isSet(e event) bool
	clear(e event)
	allocate(locations int8) packet
	build(locations int8, e event) packet
	reported() ntstatus.NTSTATUS  // the status in the I/O status block
	cancelFrom(p packet)          // starts a thread that cancels p
	yields(p packet) bool         // the routine's half of irp.md 10.4: a canceller will dispose of p
	cancelWait(p packet, e event) // cancels p and waits for its end
}

// routine is a completion routine, with the name it is recorded under.
type routine struct {
	name string
	do   func(p packet) ntstatus.NTSTATUS
}

// invoke says when a completion routine is called.
type invoke struct{ success, failure, cancel bool }

var always = invoke{true, true, true}

// context is where something is done later.
type context int

const (
	inThread context = iota
	inWorkItem
	inDpc
	atOnce // in the routine that runs
	numContexts
)

// behaviour is what a driver does with a request. Those from here on that end it come first.
type behaviour int

const (
	completesIt behaviour = iota
	pendsIt
	holdsIt    // cancelable
	lastEnding = holdsIt
)

const (
	skipsIt behaviour = lastEnding + 1 + iota
	copiesIt
	propagates
	propagatesAndCompletes
	marksAndRewrites
	stopsAndResumes
	sendsAgain
	waitsForIt
	numBehaviours
)

var behaviourNames = [numBehaviours]string{"completes", "pends", "holds", "skips", "copies", "propagates",
	"propagates and completes", "marks and rewrites", "stops and resumes", "sends again", "waits"}

func (b behaviour) String() string { return behaviourNames[b] }

// levelPlan is the plan of one driver.
type levelPlan struct {
	Do      behaviour
	Status  ntstatus.NTSTATUS // it completes with, or rewrites to
	Rewrite bool
	In      context // where it goes on later
	On      invoke
	Times   int // it sends again
}

// requestPlan is the plan of one creator.
type requestPlan struct {
	Bound  bool // IoBuildDeviceIoControlRequest
	Own    bool // with a location of the creator's
	Rounds int  // sent so often, with IoReuseIrp in between
	Wait   bool // its thread waits and frees
	Cancel bool
	Look   bool // Bound: with a routine
}

// plan is one case.
type plan struct {
	Levels     []levelPlan
	Requests   []requestPlan
	Processors int
	Seed       uint64 // of the schedule; 0 is the boring one
}

// entry is one call of a routine.
type entry struct {
	Routine  string
	Device   int
	Location int8
	Pending  bool
	Status   ntstatus.NTSTATUS
	Control  uint8
	Code     uint32
	NextCode uint32
}

// Devices that are no level of the stack.
const (
	noDevice      = -1
	creatorDevice = -2
)

// modelRecord is what happened to one request.
type modelRecord struct {
	Entered  []entry
	Returned [][]ntstatus.NTSTATUS // by level, in order of the calls: what the dispatch routine returned
	Called   [][]ntstatus.NTSTATUS // ... and what IoCallDriver returned
	Routines []ntstatus.NTSTATUS   // what completion routines returned, in order of the calls
	Ended    []ntstatus.NTSTATUS   // what the creator found, by round
	Reported []bool                // Bound: stage 2 wrote the status block and set the event
}

// run is one request under way.
type run struct {
	plan *plan
	req  *requestPlan
	left []int // by level: how often it will still send again
	rec  modelRecord

	// What depends on the schedule: recorded by the real run, looked up by the model.
	cancelledHere []bool // by hold: the cancel routine or the holder completed it with STATUS_CANCELLED
	yielded       bool   // the creator's routine left the IRP to the canceller
	cancelAt      int    // IoCancelIrp came after so many completions and continuations of the climb
}

func newRun(p *plan, q *requestPlan) *run {
	n := len(p.Levels)
	return &run{plan: p, req: q, left: make([]int, n), cancelAt: neverCancelled,
		rec: modelRecord{Returned: make([][]ntstatus.NTSTATUS, n), Called: make([][]ntstatus.NTSTATUS, n)}}
}

const neverCancelled = 1 << 30

func (r *run) entered(name string, p packet, device int) {
	e := entry{Routine: name, Device: device, Location: p.location(), Status: p.status()}
	if e.Location <= p.locations() {
		e.Control, e.Code = p.here()
	}
	r.rec.Entered = append(r.rec.Entered, e)
}

// completed calls a completion routine.
func (r *run) completed(c routine, p packet, device int) ntstatus.NTSTATUS {
	r.entered(c.name, p, device)
	e := &r.rec.Entered[len(r.rec.Entered)-1]
	e.Pending, e.NextCode = p.pendingReturned(), p.nextCode()
	at := len(r.rec.Routines)
	r.rec.Routines = append(r.rec.Routines, 0)
	s := c.do(p)
	r.rec.Routines[at] = s
	return s
}

// send calls IoCallDriver for a level.
func (r *run) send(p packet, lv int) ntstatus.NTSTATUS {
	at := len(r.rec.Called[lv])
	r.rec.Called[lv] = append(r.rec.Called[lv], 0)
	s := p.call(lv)
	r.rec.Called[lv][at] = s
	return s
}

// dispatch is the dispatch routine of a level.
func (r *run) dispatch(lv int, p packet) ntstatus.NTSTATUS {
	r.entered(fmt.Sprintf("dispatch %d", lv), p, lv)
	at := len(r.rec.Returned[lv])
	r.rec.Returned[lv] = append(r.rec.Returned[lv], 0)
	s := r.drive(lv, p)
	r.rec.Returned[lv][at] = s
	return s
}

func (r *run) drive(lv int, p packet) ntstatus.NTSTATUS {
	l := &r.plan.Levels[lv]
	switch l.Do {
	case completesIt:
		p.setStatus(l.Status)
		p.complete()
		return l.Status
	case pendsIt:
		p.mark()
		p.afterwards(l.In, func(p packet) {
			p.setStatus(l.Status)
			p.complete()
		})
		return pending
	case holdsIt:
		p.hold(l.In, l.Status)
		return pending
	case skipsIt:
		p.skip()
		return r.send(p, lv+1)
	case copiesIt:
		pass(p)
		return r.send(p, lv+1)
	case propagates, propagatesAndCompletes:
		pass(p)
		p.set(r.routine(lv), l.On)
		return r.send(p, lv+1)
	case waitsForIt:
		return r.forwardAndWait(lv, p)
	}
	p.mark()
	r.left[lv] = l.Times
	pass(p)
	p.set(r.routine(lv), l.On)
	r.send(p, lv+1)
	return pending
}

// pass prepares the next location.
func pass(p packet) {
	p.copyDown()
	p.setNextCode(p.nextCode() + 1)
}

func (r *run) forwardAndWait(lv int, p packet) ntstatus.NTSTATUS {
	l := &r.plan.Levels[lv]
	e := p.newEvent()
	pass(p)
	p.set(routine{fmt.Sprintf("completion %d", lv), func(p packet) ntstatus.NTSTATUS {
		if p.pendingReturned() {
			p.signal(e)
		}
		return stop
	}}, always)
	if r.send(p, lv+1) == pending {
		p.await(e)
	}
	s := p.status()
	if l.Rewrite {
		s = l.Status
		p.setStatus(s)
	}
	p.complete()
	return s
}

// routine is the completion routine of a level.
func (r *run) routine(lv int) routine {
	l := &r.plan.Levels[lv]
	return routine{fmt.Sprintf("completion %d", lv), func(p packet) ntstatus.NTSTATUS {
		switch l.Do {
		case propagates, propagatesAndCompletes:
			if p.pendingReturned() {
				p.mark()
			}
			if l.Do == propagatesAndCompletes {
				p.complete()
				return stop
			}
			return resume
		case stopsAndResumes:
			p.afterwards(l.In, func(p packet) {
				r.rewrite(l, p)
				p.complete()
			})
			return stop
		case sendsAgain:
			if r.left[lv] == 0 {
				break
			}
			r.left[lv]--
			p.afterwards(l.In, func(p packet) {
				pass(p)
				p.set(r.routine(lv), l.On)
				r.send(p, lv+1)
			})
			return stop
		}
		r.rewrite(l, p)
		return resume
	}}
}

func (r *run) rewrite(l *levelPlan, p packet) {
	if l.Rewrite {
		p.setStatus(l.Status)
	}
}

// create is what the creator of a request does.
func (r *run) create(w world) {
	if r.req.Bound {
		r.createBound(w)
		return
	}
	n := int8(len(r.plan.Levels))
	if r.req.Own {
		n++
	}
	p := w.allocate(n)
	var e event
	if r.req.Wait {
		e = w.newEvent()
	}
	if r.req.Cancel {
		w.cancelFrom(p)
	}
	for round := 1; round <= r.req.Rounds; round++ {
		if r.req.Own {
			p.own()
		}
		p.setNextCode(uint32(round) * 0x100)
		p.set(routine{"creator", func(p packet) ntstatus.NTSTATUS {
			switch {
			case r.req.Cancel && w.yields(p):
			case e != nil:
				p.signal(e)
			default:
				p.free()
			}
			return stop
		}}, always)
		r.send(p, 0)
		if e == nil {
			return
		}
		w.await(e)
		r.rec.Ended = append(r.rec.Ended, p.status())
		if round < r.req.Rounds {
			w.clear(e)
			p.reuse(ntstatus.STATUS_SUCCESS)
		}
	}
	p.free()
}

// createBound is patterns 6 and 7 of irp.md 9.
func (r *run) createBound(w world) {
	e := w.newEvent()
	p := w.build(int8(len(r.plan.Levels)), e)
	p.setNextCode(0x100)
	if r.req.Look || r.req.Cancel {
		p.set(routine{"creator", func(p packet) ntstatus.NTSTATUS {
			if r.req.Cancel && w.yields(p) {
				return stop
			}
			return resume
		}}, always)
	}
	s := r.send(p, 0)
	if s == pending {
		if r.req.Cancel {
			w.cancelWait(p, e)
		} else {
			w.await(e)
		}
		s = w.reported()
	}
	r.rec.Ended = append(r.rec.Ended, s)
	r.rec.Reported = append(r.rec.Reported, w.isSet(e))
}
