package irp_test

import (
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// The second implementation of the IRP state machine, transcribed from irp.md 2 to 5 and 10.1 and from
// nothing else: no ownership, no rules, no schedule. What a driver leaves for later waits in a queue until
// somebody waits for it. A test compares it with package irp.

// modelLocation is one stack location.
type modelLocation struct {
	device  int
	code    uint32
	control uint8
	routine routine
}

// modelIRP is one IRP. Location n is locs[n-1].
type modelIRP struct {
	w       *modelWorld
	locs    []modelLocation
	current int8
	pended  bool // PendingReturned
	result  ntstatus.NTSTATUS
	bound   *modelEvent // of a request that stage 2 reports to
}

// modelWorld is what lies around the model's IRP.
type modelWorld struct {
	r        *run
	later    []func()
	iosb     ntstatus.NTSTATUS
	resolved int // climbs begun or continued so far
}

// modelEvent is a notification event.
type modelEvent struct{ set bool }

func (w *modelWorld) newEvent() event    { return &modelEvent{} }
func (w *modelWorld) isSet(e event) bool { return e.(*modelEvent).set }
func (w *modelWorld) clear(e event)      { e.(*modelEvent).set = false }
func (w *modelWorld) await(e event)      { w.work(func() bool { return w.isSet(e) }) }

// work does what was left for later until there is enough.
func (w *modelWorld) work(enough func() bool) {
	for len(w.later) > 0 && !enough() {
		do := w.later[0]
		w.later = w.later[1:]
		do()
	}
}

func (w *modelWorld) allocate(locations int8) packet { return w.make(locations) }

func (w *modelWorld) make(locations int8) *modelIRP {
	p := &modelIRP{w: w, locs: make([]modelLocation, locations)}
	p.renew()
	return p
}

func (w *modelWorld) build(locations int8, e event) packet {
	p := w.make(locations)
	p.bound = e.(*modelEvent)
	p.bound.set = false
	return p
}

func (w *modelWorld) reported() ntstatus.NTSTATUS { return w.iosb }

// renew is IoInitializeIrp and IoReuseIrp (2.1, 8.1).
func (p *modelIRP) renew() {
	for i := range p.locs {
		p.locs[i] = modelLocation{device: noDevice}
	}
	p.current = int8(len(p.locs)) + 1
	p.pended = false
	p.result = ntstatus.STATUS_SUCCESS
}

func (p *modelIRP) reuse(s ntstatus.NTSTATUS) {
	p.renew()
	p.result = s
}

func (p *modelIRP) free() {}

// at returns location n, nil for what lies outside of the array.
func (p *modelIRP) at(n int8) *modelLocation {
	if n < 1 || int(n) > len(p.locs) {
		return nil
	}
	return &p.locs[n-1]
}

func (p *modelIRP) location() int8                { return p.current }
func (p *modelIRP) locations() int8               { return int8(len(p.locs)) }
func (p *modelIRP) pendingReturned() bool         { return p.pended }
func (p *modelIRP) status() ntstatus.NTSTATUS     { return p.result }
func (p *modelIRP) setStatus(s ntstatus.NTSTATUS) { p.result = s }

func (p *modelIRP) here() (control uint8, code uint32) {
	l := p.at(p.current)
	return l.control, l.code
}

func (p *modelIRP) nextCode() uint32     { return p.at(p.current - 1).code }
func (p *modelIRP) setNextCode(c uint32) { p.at(p.current - 1).code = c }

// The primitive operations (2.2).

func (p *modelIRP) own() {
	p.current--
	p.at(p.current).device = creatorDevice
}

func (p *modelIRP) skip() { p.current++ }

func (p *modelIRP) copyDown() {
	from, to := p.at(p.current), p.at(p.current-1)
	to.device, to.code, to.control = from.device, from.code, 0
}

func (p *modelIRP) set(r routine, on invoke) {
	l := p.at(p.current - 1)
	l.routine, l.control = r, 0
	if on.success {
		l.control |= irp.SL_INVOKE_ON_SUCCESS
	}
	if on.failure {
		l.control |= irp.SL_INVOKE_ON_ERROR
	}
	if on.cancel {
		l.control |= irp.SL_INVOKE_ON_CANCEL
	}
}

func (p *modelIRP) mark() { p.at(p.current).control |= irp.SL_PENDING_RETURNED }

// call is IoCallDriver (3).
func (p *modelIRP) call(level int) ntstatus.NTSTATUS {
	p.current--
	p.at(p.current).device = level
	return p.w.r.dispatch(level, p)
}

// complete is stage 1 of IoCompleteRequest, the climb (4).
func (p *modelIRP) complete() {
	top := int8(len(p.locs)) + 1
	cancel := p.cancelled()
	below := p.at(p.current)
	p.current++
	for p.current <= top {
		control, r := below.control, below.routine
		p.pended = control&irp.SL_PENDING_RETURNED != 0
		success := p.result < 0x80000000
		chosen := success && control&irp.SL_INVOKE_ON_SUCCESS != 0 ||
			!success && control&irp.SL_INVOKE_ON_ERROR != 0 ||
			cancel && control&irp.SL_INVOKE_ON_CANCEL != 0
		own := p.at(p.current)
		below.control, below.code = 0, 0
		if chosen {
			device := noDevice
			if own != nil {
				device = own.device
			}
			if p.w.r.completed(r, p, device) == stop {
				return
			}
			cancel = p.cancelled()
		} else if p.pended && own != nil {
			own.control |= irp.SL_PENDING_RETURNED
		}
		below = own
		p.current++
	}
	p.finish()
}

// cancelled says whether Cancel is set now that the climb goes on. When IoCancelIrp came is not for the
// model to know: it is told after how many such moments.
func (p *modelIRP) cancelled() bool {
	w := p.w
	w.resolved++
	return w.resolved > w.r.cancelAt
}

// finish is stage 2 for a request that is bound to a thread (5).
func (p *modelIRP) finish() {
	if isError := p.result >= 0xC0000000; p.bound != nil && (!isError || p.pended) {
		p.w.iosb = p.result
		p.bound.set = true
	}
}

// What has to do with other contexts.

func (p *modelIRP) newEvent() event { return p.w.newEvent() }
func (p *modelIRP) signal(e event)  { e.(*modelEvent).set = true }
func (p *modelIRP) await(e event)   { p.w.await(e) }

func (p *modelIRP) afterwards(c context, fn func(p packet)) {
	if c == atOnce {
		fn(p)
		return
	}
	p.w.later = append(p.w.later, func() { fn(p) })
}

// hold keeps the IRP cancelable. Who took it out again is taken from the real run.
func (p *modelIRP) hold(_ context, s ntstatus.NTSTATUS) {
	p.mark()
	p.w.later = append(p.w.later, func() {
		r := p.w.r
		if len(r.cancelledHere) > 0 && r.cancelledHere[0] {
			s = ntstatus.STATUS_CANCELLED
		}
		r.cancelledHere = r.cancelledHere[1:]
		p.setStatus(s)
		p.complete()
	})
}

func (w *modelWorld) cancelFrom(packet)  {}
func (w *modelWorld) yields(packet) bool { return w.r.yielded }
func (w *modelWorld) cancelWait(p packet, e event) {
	w.work(func() bool { return false })
	if w.r.yielded {
		p.complete()
	}
}
