package ke

import (
	"unsafe"

	"calloutsim/internal/trace"
)

// The race detector of scheduling.md 10.1: vector clocks per context, and for every object an order, the
// clock of what happened before its last release. An access to watched memory (race_memory.go) races with
// an earlier one if no chain of releases and acquisitions leads from the one to the other, whichever came
// first in this run.
//
// What orders two accesses is scheduling.md 10.3 and INFERRED there. Where a context was and at what level
// it ran orders nothing, and neither does the stack that a DPC or a delivery borrowed. What the system does
// with its own objects goes through locks of its own, so every routine on one of them acquires and releases
// that object (systemKinds); a delivery from outside knows all of that.
//
// With Config.Races off there is no detector, and every hook is one comparison with nil.

// timeline is what the detector knows about one context.
type timeline struct {
	vc      vclock
	num     uint32
	name    string
	apc     knowledge  // of those who queued APCs that have not run
	lockSet []trace.ID // locks held at the last access

	// For Go's detector, with which only the context itself can acquire anything: what it will do so with
	// when it goes on, and the round whose test it knows.
	inbox marks
	round uint64
}

// races is the detector of one run.
type races struct {
	m       *Machine
	watch   bool // Config.Races: report accesses
	lines   []*timeline
	outside knowledge // the test, which knows whatever happened when the machine came to rest
	system  knowledge // what was done to objects of the system
	dpcs    knowledge // DPCs that have returned
	orders  table[knowledge]
	memory  table[shadow] // with watch
	round   uint64        // calls of Machine.Run
}

// resetRaces gives the machine a detector as new, or none.
func (m *Machine) resetRaces(on bool) {
	if m.races != nil {
		m.races.reset()
		m.unused = m.races
	}
	m.races = nil
	if !on && !GoRaces {
		return
	}
	if m.unused == nil {
		m.unused = &races{m: m}
	}
	m.races = m.unused
	m.races.watch = on
}

// reset makes r as new.
func (r *races) reset() {
	r.lines = r.lines[:0]
	r.outside.forget()
	r.system.forget()
	r.dpcs.forget()
	r.orders.clear()
	r.memory.clear()
}

// of gives the timeline of k. A context that was not there before begins with what the test knows.
func (r *races) of(k *K) *timeline {
	if k.line == nil {
		r.begin(k, &r.outside)
	}
	return k.line
}

func (r *races) begin(k *K, knows *knowledge) {
	n := len(r.lines)
	if n < cap(r.lines) && r.lines[:n+1][n] != nil { // of an earlier run
		r.lines = r.lines[:n+1]
	} else {
		r.lines = append(r.lines, &timeline{})
	}
	l := r.lines[n]
	*l = timeline{num: uint32(n), name: k.name, vc: l.vc[:0], apc: knowledge{vc: l.apc.vc[:0]}}
	l.restart(knows)
	k.line = l
}

// restart lets a context begin anew with what is given and nothing else.
func (l *timeline) restart(knows *knowledge) {
	own := l.vc.at(l.num)
	l.vc = append(l.vc[:0], knows.vc...)
	for len(l.vc) <= int(l.num) {
		l.vc = append(l.vc, 0)
	}
	l.vc[l.num] = own + 1
	l.inbox.forget()
	l.inbox.learn(&knows.marks)
	l.round = 0
}

// publish gives a copy of what l knows; what it does from now on is not part of it.
func (l *timeline) publish() *knowledge {
	c := new(knowledge)
	l.releaseTo(c)
	return c
}

// releaseTo makes what l knows part of order. l is the timeline of the running context.
func (l *timeline) releaseTo(order *knowledge) {
	order.vc.join(l.vc)
	order.marks.release()
	l.vc[l.num]++
}

// learn makes o known to l.
func (r *races) learn(l *timeline, o *knowledge) {
	l.vc.join(o.vc)
	if k := r.m.cur; k != nil && k.line == l {
		o.marks.acquire()
	} else {
		l.inbox.learn(&o.marks)
	}
}

// fork starts the timeline of a thread that the running context makes.
func (r *races) fork(t *Thread) {
	if r.m.cur == nil {
		r.begin(&t.K, &r.outside)
		return
	}
	r.begin(&t.K, r.of(r.m.cur).publish())
}

// start is called when the test lets the machine go on.
func (r *races) start() {
	r.round++
	r.outside.marks.forget()
	r.outside.marks.release()
}

// Looked tells Go's race detector that the test has looked at what contexts do: what they do from now on
// comes after that. There is no way to say so without ordering everything before it as well.
func (m *Machine) Looked() {
	if GoRaces {
		m.races.start()
	}
}

// goesOn is called when k goes on, on its own stack.
func (r *races) goesOn(k *K) {
	l := r.of(k)
	l.inbox.acquire()
	l.inbox.forget()
	if l.round != r.round {
		l.round = r.round
		r.outside.marks.acquire()
	}
}

// rest is called when the machine comes to rest: the test sees everything.
func (r *races) rest() {
	for i, l := range r.lines {
		for len(r.outside.vc) <= i {
			r.outside.vc = append(r.outside.vc, 0)
		}
		r.outside.vc[i] = l.vc[i]
		l.vc[i]++
	}
}

// acquire makes everything known to k that was released to key.
func (r *races) acquire(k *K, key any) {
	if o := r.orders.get(tableKey{obj: key}); o != nil {
		r.learn(r.of(k), o)
	}
}

// release makes what k did known to whoever acquires key later.
func (r *races) release(k *K, key any) { r.of(k).releaseTo(r.orders.of(tableKey{obj: key})) }

// forget drops what was released to key.
func (r *races) forget(key any) {
	if o := r.orders.get(tableKey{obj: key}); o != nil {
		o.forget()
	}
}

// pass makes what was released to from part of what was released to to.
func (r *races) pass(from, to any) {
	if o := r.orders.get(tableKey{obj: from}); o != nil {
		r.orders.of(tableKey{obj: to}).learn(o)
	}
}

// signal is called when o changes its state: whoever a signal lets go on knows what led to it. What led to
// a signal that was taken back lets nobody go on.
func (r *races) signal(k *K, o *Object, v int32) {
	if v > 0 {
		r.release(k, o)
		return
	}
	r.forget(o)
}

// satisfied is called when k has consumed o.
func (r *races) satisfied(k *K, o *Object) {
	r.acquire(k, o)
	if o.Signal <= 0 && (o.Kind == SynchronizationEvent || o.Kind == SynchronizationTimer) {
		r.forget(o)
	}
}

// systemKinds are objects of the system, by kind: routines on them go through locks of the system.
var systemKinds = [trace.NumKinds]bool{trace.IRP: true, trace.Device: true, trace.Driver: true,
	trace.File: true, trace.WorkItem: true, trace.Queue: true, trace.Lookaside: true, trace.Handle: true,
	trace.Registration: true, trace.Socket: true, trace.Endpoint: true, trace.Peer: true,
	trace.Callout: true, trace.Filter: true, trace.Sublayer: true, trace.Engine: true, trace.Classify: true,
	trace.ClassifyHandle: true, trace.RedirectHandle: true, trace.RedirectRecords: true,
	trace.RedirectContext: true, trace.Flow: true, trace.NetBuffer: true, trace.Interface: true}

// point is called at every scheduling point, when k goes on. Rows of the table of footprints say which
// routines are atomic on their object.
func (r *races) point(k *K, u Use) {
	system := systemKinds[u.Obj.Kind()]
	if u.Obj == 0 || u.Obj.Kind() == trace.Var || !system && u.How != A {
		return
	}
	r.bothID(k, u.Obj)
	if system {
		r.of(k).releaseTo(&r.system)
	}
}

// bothID is acquire and release in one step, of what id names.
func (r *races) bothID(k *K, id trace.ID) {
	l, o := r.of(k), r.orders.of(tableKey{id: id})
	r.learn(l, o)
	l.releaseTo(o)
}

// startDPC lets the context of the DPCs of a processor run another one, which knows what those knew who
// queued it.
func (r *races) startDPC(k *K, d *DPC) {
	l := r.of(k)
	o := r.orders.of(tableKey{obj: d})
	l.restart(o)
	r.goesOn(k)
	o.forget()
}

func (r *races) endDPC(k *K) { r.of(k).releaseTo(&r.dpcs) }

// startDelivery is the same for an act of the outside: it knows what those knew who caused it, the acts of
// the same channel before it, and what was done to objects of the system.
func (r *races) startDelivery(k *K, c *Channel, d *Delivery) {
	l := r.of(k)
	l.restart(d.order)
	r.goesOn(k)
	r.learn(l, &r.system)
	r.acquire(k, c)
}

// posted gives what a delivery posted now knows.
func (r *races) posted() *knowledge {
	if r.m.cur == nil {
		o := new(knowledge)
		o.learn(&r.outside)
		return o
	}
	return r.of(r.m.cur).publish()
}

// Ordered tells the race detector that k makes an atomic step on what key points to, one that acquires and
// releases: an interlocked operation, a memory barrier.
func Ordered(k *K, key any) {
	if r := k.m.races; r != nil {
		r.acquire(k, key)
		reads((*(*[2]unsafe.Pointer)(unsafe.Pointer(&key)))[1])
		r.release(k, key)
	}
}

// OrderedAfter tells the race detector that k has seen the effect of what was released to key.
func OrderedAfter(k *K, key any) {
	if r := k.m.races; r != nil {
		r.acquire(k, key)
	}
}

// Released tells the race detector that what k did so far is seen by whoever acquires key later.
func Released(k *K, key any) {
	if r := k.m.races; r != nil {
		r.release(k, key)
	}
}

// ForgetOrders makes the race detector drop what it knows, and with it its references to memory.
func (m *Machine) ForgetOrders() {
	if m.races != nil {
		m.races.orders.clear()
	}
}
